# Debian runs it when the files are gone.
removed=$bin/removed
state=/var/lib/rcm-node

if [ "$1" = remove ]; then
  # Of a version that was unpacked and never configured dpkg runs no prerm: the link leads nowhere now, and the service runs on.
  if [ -L "$link" ] && is_ours; then
    if is_running_systemd; then systemctl stop $unit >/dev/null || true; fi
    keep_settings
    drop_link
  fi
  if is_running_systemd; then systemctl --system daemon-reload >/dev/null || true; fi
fi
[ "$1" = purge ] || exit 0

# Of our folders, what holds anything that a handler needs.
has_remains() {
  [ -e $state ] || [ -e /opt/rcm-node/store ] || [ -e /opt/rcm-node/shims ]
}

if [ -e "$link" ]; then
  # Placed after the removal, or before the install: what is served belongs to it.
  say_others
elif [ -e "$removed/rcm-node" ]; then
  : >"$removed/purging"
  # dpkg has removed the settings. They say which runtime and which cluster: without them an uninstall could miss both.
  if [ -f "$removed/config.toml" ] && [ ! -e $settings ]; then
    mkdir -p /etc/rcm-node
    cp -p "$removed/config.toml" $settings.package
    mv -fT $settings.package $settings
  fi
  code=0
  said=
  # An image in which the service never ran holds nothing of ours, and there the system bus cannot be asked.
  if is_running_systemd || [ -d $state ]; then
    said=$("$removed/rcm-node" uninstall 2>&1) || code=$?
  fi
  # Other settings are of an administrator, who wrote them since.
  if cmp -s "$removed/config.toml" $settings; then rm -f $settings; fi
  # 4: something waits. Where nothing of ours is left, that is a start of the runtime, which an administrator stopped.
  if [ $code -eq 4 ] && ! has_remains; then
    printf '%s\n' "$said" >&2
  elif [ $code -ne 0 ]; then
    printf '%s\n' "$said" >&2
    echo "rcm-node: not everything could be removed (exit code $code); when the cause is gone, again: apt purge rcm-node" >&2
    case $code in
    126 | 127) echo "rcm-node: the program in $removed cannot be run; is /opt mounted noexec?" >&2 ;;
    esac
    if ! is_running_systemd; then echo "rcm-node: in an image, first, from outside: rcm-node uninstall --root DIR" >&2; fi
    exit 1
  fi
  rm -rf /run/rcm-node
elif has_remains; then
  if [ -d "$removed" ]; then : >"$removed/purging"; fi
  echo "rcm-node: $state says what this node serves, and the program that could remove it is gone: install the package again, and purge it then" >&2
  exit 1
fi
rm -rf "$removed"

if command -v deb-systemd-helper >/dev/null && [ ! -e "$link" ]; then deb-systemd-helper purge $unit >/dev/null || true; fi
for folder in "$bin/versions" "$bin" /opt/rcm-node /etc/rcm-node/shims.d /etc/rcm-node; do
  rmdir "$folder" 2>/dev/null || true
done
if [ -d /etc/rcm-node ]; then
  echo "rcm-node: /etc/rcm-node stays: it holds files that the package did not bring" >&2
fi
