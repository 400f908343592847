# Debian runs it when the files are gone.
if [ "$1" = remove ] && is_running_systemd; then systemctl --system daemon-reload >/dev/null || true; fi
[ "$1" = purge ] || exit 0

settings=/etc/rcm-node/config.toml
if [ -x "$bin/removed/rcm-node" ]; then
  # dpkg has removed the settings. They say which runtime and which cluster: without them an uninstall could miss both.
  restored=no
  if [ ! -e $settings ] && [ -f "$bin/removed/config.toml" ]; then
    mkdir -p /etc/rcm-node
    cp -p "$bin/removed/config.toml" $settings
    restored=yes
  fi
  code=0
  said=
  # An image in which the service never ran holds nothing of ours, and there the system bus cannot be asked.
  if is_running_systemd || [ -d /var/lib/rcm-node ]; then
    said=$("$bin/removed/rcm-node" uninstall 2>&1) || code=$?
  fi
  if [ $restored = yes ]; then rm -f $settings; fi
  if [ $code -ne 0 ]; then
    printf '%s\n' "$said" >&2
    echo "rcm-node: not everything could be removed (exit code $code); when the cause is gone, again: apt purge rcm-node" >&2
    if ! is_running_systemd; then echo "rcm-node: in an image, first, from outside: rcm-node uninstall --root DIR" >&2; fi
    exit 1
  fi
  rm -rf "$bin/removed" /run/rcm-node
elif [ -e "$link" ]; then
  say_others
fi

if command -v deb-systemd-helper >/dev/null && [ ! -e "$link" ]; then deb-systemd-helper purge $unit >/dev/null || true; fi
for folder in "$bin/versions" "$bin" /opt/rcm-node /etc/rcm-node/shims.d /etc/rcm-node; do
  rmdir "$folder" 2>/dev/null || true
done
if [ -d /etc/rcm-node ]; then
  echo "rcm-node: /etc/rcm-node stays: it holds files that the package did not bring" >&2
fi
