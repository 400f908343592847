# rpm runs it when the files are in place: $1 is 1 at an install, more at an upgrade or a downgrade.
if is_ours; then
  take_link
  ours=yes
else
  say_others
  ours=no
fi

if [ "$1" -eq 1 ]; then systemctl --no-reload enable $unit >/dev/null 2>&1 || true; fi
if is_running_systemd; then
  systemctl daemon-reload >/dev/null || true
  # The runtime is never restarted here: the service finds everything as it left it.
  if [ "$1" -eq 1 ]; then
    forget_starts
    systemctl start $unit >/dev/null || say_failed
  elif [ $ours = yes ] && is_running_or_failed; then
    forget_starts
    systemctl restart $unit >/dev/null || say_failed
  fi
fi
