# galley as a static binary on nothing: no shell, no libc, not root.
#
#   docker build -t galley --build-arg VERSION="$(git describe --tags --always)" .
#   docker run -d --name galley -p 3306:3306 \
#     -e GALLEY_MYSQL_LISTEN=:3306 \
#     -e GALLEY_CLUSTER_NODES=10.0.0.1,10.0.0.2,10.0.0.3 \
#     -e GALLEY_CLUSTER_MONITOR_USER=monitor \
#     -e GALLEY_CLUSTER_MONITOR_PASSWORD_FILE=/run/secrets/monitor \
#     -v ./monitor.password:/run/secrets/monitor:ro \
#     galley
#
# A file instead: -v ./galley.yaml:/etc/galley/galley.yaml:ro -e GALLEY_CONFIG=/etc/galley/galley.yaml. Name it by the variable, not by -c, so that the
# health check reads it too. Files must be readable by the user 65532.

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=container
RUN make build BIN=/galley VERSION="$VERSION"

FROM scratch
COPY --from=build /galley /galley
COPY LICENSE /LICENSE
USER 65532:65532
# The page is for this container only, unless a token is set together with another address: GALLEY_ADMIN_LISTEN=:9306, GALLEY_ADMIN_TOKEN_FILE.
ENV GALLEY_ADMIN_LISTEN=127.0.0.1:9306
EXPOSE 3306 9306
HEALTHCHECK --interval=5s --timeout=6s --start-period=20s CMD ["/galley", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/galley"]
CMD ["serve"]
