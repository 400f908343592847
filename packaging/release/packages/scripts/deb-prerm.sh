# Debian runs it before files go. An upgrade stops nothing: postinst restarts the service once, with the new files.
case $1 in
remove | deconfigure) ;;
*) exit 0 ;;
esac

if ! is_ours; then
  say_others
  exit 0
fi

# A failure ends the removal: a service that continues without its files could not start again.
if is_running_systemd; then deb-systemd-invoke stop $unit >/dev/null; fi

if [ "$1" = remove ]; then
  # What purge needs, which comes when the files of the package, and its settings, are gone. Links to the same
  # bytes: they take no space until the package's own names are removed.
  rm -rf "$bin/removed"
  keep_settings
  for name in rcm-node libatomic.so.1; do
    ln "$bin/versions/package/$name" "$bin/removed/$name" || cp -p "$bin/versions/package/$name" "$bin/removed/$name"
  done
  if [ -d /var/lib/rcm-node ]; then
    echo "rcm-node: handlers stay served, and nothing watches over them any more; apt purge rcm-node removes them" >&2
  fi
fi
drop_link
