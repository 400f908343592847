# The head of each maintainer script (scripts.ts puts it there): whose program this node runs.
#
# /opt/rcm-node/bin/rcm-node leads to the program in use. The package owns that link while it leads to the folder of the
# package, or nowhere. bootstrap and install.sh bring folders of their own and move the link there: from then on the scripts
# leave link and service alone, so that a package never replaces the version that the cluster chose.
bin=/opt/rcm-node/bin
link=$bin/rcm-node
own=versions/package/rcm-node
unit=rcm-node.service
settings=/etc/rcm-node/config.toml

is_ours() {
  if [ -L "$link" ]; then
    [ "$(readlink "$link")" = "$own" ] || [ ! -e "$link" ]
  else
    [ ! -e "$link" ]
  fi
}

# By rename, so that there is a program at each moment. Only root can write in this folder.
take_link() {
  ln -sfn "$own" "$bin/.rcm-node.package"
  mv -fT "$bin/.rcm-node.package" "$link"
}

# A link that leads nowhere goes, too.
drop_link() {
  rm -f "$link"
}

# For the purge, and for an install after one that failed. The settings may hold a proxy's password.
keep_settings() {
  [ -d "$bin/removed" ] || mkdir -m 0700 "$bin/removed"
  if [ -f $settings ]; then cp -p $settings "$bin/removed/config.toml"; fi
}

is_running_systemd() {
  [ -d /run/systemd/system ]
}

# No administrator stopped a service that failed: a new version may mend it, so it is started.
is_running_or_failed() {
  systemctl --quiet is-active $unit || systemctl --quiet is-failed $unit
}

# systemd counts each start, and refuses the ninth within ten minutes: that is for a service that ends again and again, not for packages.
forget_starts() {
  systemctl reset-failed $unit >/dev/null 2>&1 || true
}

say_others() {
  echo "rcm-node: $link leads to $(readlink "$link" || echo no other file), which this package did not bring: that version stays in use" >&2
}

say_failed() {
  echo "rcm-node: $unit did not start, and the handlers of this node stay served; see: systemctl status rcm-node" >&2
}
