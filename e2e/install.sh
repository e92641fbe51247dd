#!/bin/sh
# Installs what a make target needs beyond Go, and only what is missing. Debian 12 and its descendants.
#
#   e2e/install.sh demo     a local Galera cluster and php-fpm
#   e2e/install.sh e2e      the same, and the clients of the end-to-end tests; their drivers for Node.js come by npm
#   e2e/install.sh browser  the same as demo, and a browser
#   e2e/install.sh bench    the same as demo, and sysbench, HAProxy, nginx and Caddy
#
# As root, or by sudo. When it can install nothing it says what to install and fails.
set -eu

cluster="mariadb-server galera-4 mariadb-client rsync lsof socat"
case "${1:-}" in
demo) packages="$cluster php-fpm php-mysql" ;;
e2e) packages="$cluster php-cli php-fpm php-mysql mariadb-test nodejs npm" ;;
browser) packages="$cluster php-cli php-fpm php-mysql chromium" ;;
bench) packages="$cluster sysbench haproxy nginx caddy php-cli php-fpm php-mysql" ;;
*)
	echo "usage: $0 demo|e2e|browser|bench" >&2
	exit 2
	;;
esac

# present says whether what a package is wanted for is there, whoever installed it.
present() {
	case "$1" in
	mariadb-server) command -v mariadbd || command -v /usr/sbin/mariadbd ;;
	mariadb-client) command -v mariadb ;;
	galera-4) ls /usr/lib/galera/libgalera_smm.so /usr/lib/galera-4/libgalera_smm.so /usr/lib64/galera-4/libgalera_smm.so \
		/usr/lib/libgalera_smm.so 2>/dev/null | grep . ;;
	php-cli) command -v php ;;
	php-fpm) ls /usr/sbin/php-fpm* /usr/local/sbin/php-fpm* 2>/dev/null | grep . ;;
	php-mysql) php -m 2>/dev/null | grep -x mysqli && php -m | grep -x pdo_mysql ;;
	mariadb-test) ls /usr/share/mysql/mysql-test/mariadb-test-run.pl /usr/share/mariadb/mariadb-test/mariadb-test-run.pl 2>/dev/null | grep . ;;
	nodejs) command -v node ;;
	haproxy) command -v haproxy || command -v /usr/sbin/haproxy ;;
	nginx) command -v nginx || command -v /usr/sbin/nginx ;;
	lsof) command -v lsof || command -v /usr/bin/lsof ;;
	*) command -v "$1" ;;
	esac >/dev/null 2>&1
}

lacking() {
	for package in $packages; do
		present "$package" || printf '%s ' "$package"
	done
}

# The drivers for Node.js, of the versions that e2e/node/package.json names.
drivers() {
	[ "${1:-}" = e2e ] || return 0
	(
		cd "$(dirname "$0")/node"
		node -e 'for (const [name, version] of Object.entries(require("./package.json").dependencies)) if (require(`./node_modules/${name}/package.json`).version !== version) process.exit(1)' \
			>/dev/null 2>&1 || npm install --no-package-lock --no-audit --no-fund --loglevel=error
	) || { echo "$0: npm could not install the drivers of e2e/node/package.json" >&2; exit 1; }
}

missing=$(lacking)
if [ -z "$missing" ]; then
	drivers "$@"
	exit 0
fi
missing=${missing% }

cannot() {
	echo "$0: missing: $missing" >&2
	echo "$0: $1" >&2
	echo "$0: install by hand: apt-get install --no-install-recommends $missing" >&2
	exit 1
}

command -v apt-get >/dev/null 2>&1 || cannot "there is no apt-get on this machine"
sudo=
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null 2>&1 || cannot "not root, and there is no sudo"
	sudo="sudo"
	# Without a terminal sudo cannot ask.
	[ -t 0 ] || sudo="sudo -n"
	$sudo true || cannot "sudo is not allowed"
fi

# A package must not start its service here: the tests and the demo run servers of their own.
policy=/usr/sbin/policy-rc.d
ours=
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null && $sudo chmod 755 "$policy" && ours=1
fi
# cleanup takes the policy away again.
cleanup() {
	[ -z "$ours" ] || $sudo rm -f "$policy"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

echo "$0: installing $missing"
install() {
	# shellcheck disable=SC2086 # a list of words
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
}
install || { $sudo apt-get update -q && install; } || cannot "apt-get failed, see above"

missing=$(lacking)
missing=${missing% }
[ -z "$missing" ] || cannot "still missing after apt-get install"
drivers "$@"
