#!/bin/sh
# Installs rcm-node on this host, or below another root, from the folder in which this script lies.
#
#     ./install.sh                   verify, place, enable and start
#     ./install.sh --no-start        verify, place and enable
#     ./install.sh --root DIR        the same for a mounted image; nothing is started
#     ./install.sh --force           also where another program placed the one in use
#
# Everything is verified before anything is written, and the copy again. A new version is written aside under a name that cannot
# be foretold and renamed in one step; the former version stays beside it. Settings and units of others are kept. A run that was
# killed leaves what was there before; the next one removes what it had written aside.
set -eu
umask 022
LC_ALL=C
export LC_ALL

version=@VERSION@
machine=@MACHINE@
root="" starts=yes force=no

fail() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 1
}

while [ $# -gt 0 ]; do
  case $1 in
  --root)
    [ $# -ge 2 ] || fail '--root needs a folder'
    root=$2
    shift
    ;;
  --root=*) root=${1#--root=} ;;
  --no-start) starts=no ;;
  --force) force=yes ;;
  --help | -h)
    sed -n '2,11s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
  *) fail "unknown argument $1; see --help" ;;
  esac
  shift
done

[ "$(id -u)" = 0 ] || fail 'it has to run as root'
if [ -n "$root" ]; then
  [ -d "$root" ] || fail "$root is not a folder"
  root=$(CDPATH='' cd -- "$root" && pwd -P)
  [ "$root" != / ] || root=
fi
CDPATH='' cd -- "$(dirname -- "$0")"
if [ -n "$root" ]; then
  starts=no
elif [ "$(uname -m)" != $machine ]; then
  fail "this archive is for $machine, and this host is $(uname -m)"
fi

# Of each file by its digest, and no file that has none. The digests are read once: what is copied is compared with the same ones.
[ -f SHA256SUMS ] || fail "$PWD/SHA256SUMS is missing: unpack the whole archive, and run install.sh where it lies"
sums=$(cat SHA256SUMS)
printf '%s\n' "$sums" | sha256sum --check --strict --quiet - || fail 'a file is not as it was released: fetch the archive again'
for path in payload/*; do
  printf '%s\n' "$sums" | cut -c67- | grep -qxF -- "$path" || fail "$path is not part of the release: fetch the archive again"
done

# Another C library, or /opt mounted noexec: seen before the version in use changes. Another root may be of another machine.
runs_here() {
  [ -z "$root" ] || return 0
  "$1" version >/dev/null || fail "$1 does not run on this host, and the version in use was not changed; is /opt mounted noexec, or glibc older than 2.28?"
}

bin=$root/opt/rcm-node/bin
link=$bin/rcm-node
# A user who may write one of these folders could replace what root is to run. In an image, its owner counts as root.
owner=0
[ -z "$root" ] || owner=$(stat -c %u "$root")
for path in "" opt opt/rcm-node opt/rcm-node/bin opt/rcm-node/bin/versions opt/rcm-node/bin/versions/$version etc etc/rcm-node etc/rcm-node/shims.d etc/systemd etc/systemd/system; do
  # With --root, a link of the image would lead to this host.
  if [ -n "$root" ] && [ -L "$root/$path" ]; then fail "$root/$path is a link, which could lead to this host"; fi
  [ -e "$root/$path" ] || continue
  case $(stat -L -c '%u %A' "$root/$path") in
  *\ ?????w* | *\ ????????w*) fail "others than root may write $root/$path: see what they wrote there, then chmod go-w $root/$path" ;;
  "0 "* | "$owner "*) ;;
  *) fail "$root/$path belongs to another user: look into it, then chown root:root $root/$path" ;;
  esac
done
# systemctl makes links in these folders, and follows links to them out of an image.
for path in "$root"/etc/systemd/system/*.wants "$root"/etc/systemd/system/*.requires "$root"/etc/systemd/system/*.upholds; do
  if [ -n "$root" ] && [ -L "$path" ]; then fail "$path is a link, which could lead to this host"; fi
done
if [ $force = no ]; then
  if [ -e "$bin/bootstrap.json" ]; then
    fail 'a Pod of the DaemonSet rcm-node-bootstrap placed the program on this host, and upgrades it; with --force it is replaced until that Pod starts again'
  fi
  if [ "$(readlink "$link" || true)" = versions/package/rcm-node ]; then
    fail 'a package (apt, dnf) installed rcm-node on this host: upgrade that, or remove it first'
  fi
fi

units=$root/etc/systemd/system
mkdir -p "$bin/versions" "$root/etc/rcm-node/shims.d" "$units"
# Of two at once, one would remove what the other has just written. The lock is on the folder itself, and leaves no file.
if command -v flock >/dev/null; then
  exec 9<"$bin"
  flock -n 9 || fail 'another install.sh is running'
  # Names of mktemp below, and of no other program.
  rm -rf "$bin/versions/.incoming-"?????????? "$bin/.link-"?????????? "$units/.rcm-node-"??????????
fi
incoming=
trap '[ -z "$incoming" ] || rm -rf "$incoming"' EXIT
trap 'exit 1' HUP INT TERM

folder=$bin/versions/$version
if [ -d "$folder" ]; then
  for path in payload/*; do
    cmp -s "$path" "$folder/${path#payload/}" ||
      fail "$folder is another build of $version: remove it, unless $link leads there; then only another version can replace it"
  done
  runs_here "$folder/rcm-node"
else
  incoming=$(mktemp -d "$bin/versions/.incoming-XXXXXXXXXX")
  cp payload/* "$incoming/"
  printf '%s\n' "$sums" | sed -n 's|^\([0-9a-f]*  \)payload/|\1|p' | (cd "$incoming" && sha256sum --check --strict --quiet -) ||
    fail 'a file changed while it was copied'
  chmod 0644 "$incoming"/*
  chmod 0755 "$incoming" "$incoming/rcm-node"
  runs_here "$incoming/rcm-node"
  sync "$incoming"/* "$incoming"
  mv -T "$incoming" "$folder"
  sync "$bin/versions"
  incoming=
fi

# The unit is replaced where it is one of a version that is here; a changed one is kept.
unit=$units/rcm-node.service
write=no
if [ ! -e "$unit" ] && [ ! -L "$unit" ]; then write=yes; fi
for shipped in "$bin"/versions/*/rcm-node.service; do
  if cmp -s "$shipped" "$unit"; then write=yes; fi
done
if [ $write = yes ]; then
  incoming=$(mktemp "$units/.rcm-node-XXXXXXXXXX")
  cat "$folder/rcm-node.service" >"$incoming"
  chmod 0644 "$incoming"
  mv -fT "$incoming" "$unit"
  incoming=
else
  echo "install.sh: $unit was changed on this host: it is kept" >&2
fi

former=$(readlink "$link" || true)
aside=$(mktemp -d "$bin/.link-XXXXXXXXXX")
incoming=$aside
ln -s "versions/$version/rcm-node" "$aside/rcm-node"
mv -fT "$aside/rcm-node" "$link"
rmdir "$aside"
incoming=
sync "$bin"

if command -v systemctl >/dev/null; then
  if [ -n "$root" ]; then
    systemctl --root="$root" --quiet enable rcm-node.service
  else
    systemctl --quiet enable rcm-node.service
    if [ $starts = yes ] && [ -d /run/systemd/system ]; then
      systemctl daemon-reload
      # systemd counts each start, and refuses the ninth within ten minutes, which is for a service that ends again and again.
      systemctl reset-failed rcm-node.service 2>/dev/null || true
      # The service alone: the container runtime is not restarted.
      systemctl restart rcm-node.service ||
        fail "rcm-node.service did not start, and the handlers of this node stay served: systemctl status rcm-node; before, $link led to ${former:-no program}"
    fi
  fi
else
  echo 'install.sh: there is no systemctl here: enable rcm-node.service yourself' >&2
fi
echo "rcm-node $version is in $folder; $link help"
