#!/bin/sh
# Makes a directory with Debian's WordPress in it, without the web server that its package asks for.
#
#   e2e/wordpress.sh DIR    DIR is made unless it is there whole; wp-config.php is left to whoever uses it
#
# The packages are downloaded and unpacked, not installed: no root is needed.
set -eu

dir=${1:?usage: e2e/wordpress.sh DIR}
packages="wordpress wordpress-theme-twentytwentyone libjs-cropper libjs-underscore libjs-prototype libjs-scriptaculous php-getid3"

[ ! -e "$dir/.whole" ] || exit 0
for tool in apt-get dpkg-deb; do
	command -v "$tool" >/dev/null 2>&1 || { echo "$0: there is no $tool on this machine: put WordPress into $dir by hand, and an empty file .whole beside it" >&2; exit 1; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
chmod 755 "$work" # apt's own user writes here, where it can.

echo "$0: downloading WordPress"
download() {
	# shellcheck disable=SC2086 # a list of words
	(cd "$work" && apt-get download -q $packages >/dev/null 2>"$work/errors")
}
sudo=
[ "$(id -u)" -eq 0 ] || sudo="sudo -n"
download || { $sudo apt-get update -q >/dev/null && download; } || { cat "$work/errors" >&2; echo "$0: apt-get download failed" >&2; exit 1; }
for package in "$work"/*.deb; do
	dpkg-deb -x "$package" "$work/root"
done
rm -f "$work/root/usr/share/wordpress/.htaccess" "$work/root/usr/share/wordpress/wp-config.php"
# Links to the system's certificates lead out of it.
find "$work/root/usr/share/wordpress" -lname '/etc/*' -delete
rm -rf "$dir.new" "$dir"
mkdir -p "$(dirname "$dir")"
cp -rL "$work/root/usr/share/wordpress" "$dir.new"
touch "$dir.new/.whole"
mv "$dir.new" "$dir"
