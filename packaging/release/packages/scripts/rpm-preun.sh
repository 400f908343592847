# rpm runs it before files go: $1 is 0 at the removal of the last version. rpm knows no purge: what is served stays served.
[ "$1" -eq 0 ] || exit 0
if ! is_ours; then
  say_others
  exit 0
fi
# A failure ends the removal: a service that continues without its files could not start again.
if is_running_systemd; then systemctl stop $unit >/dev/null; fi
systemctl --no-reload disable $unit >/dev/null 2>&1 || true
if [ -d /var/lib/rcm-node ]; then
  echo "rcm-node: handlers stay served, and nothing watches over them any more; to remove them, install rcm-node again and run: rcm-node uninstall" >&2
fi
drop_link
