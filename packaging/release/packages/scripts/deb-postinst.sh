# Debian runs it when the files are in place: at an install, an upgrade, a downgrade, and after a removal that failed.
case $1 in
configure | abort-remove | abort-deconfigure) ;;
*) exit 0 ;;
esac

# An install after a removal has a former version, too ($2), and finds the service stopped by the removal.
starts=no
if [ -z "${2:-}" ] || [ -d "$bin/removed" ]; then starts=yes; fi
# A purge that failed has removed the settings, and dpkg brings those of the package, which are comments: without the policy of
# this node the service could take what it was told to refuse.
if [ -e "$bin/removed/purging" ] && [ -f "$bin/removed/config.toml" ] && ! grep -q '^[^#]' $settings; then
  cp -p "$bin/removed/config.toml" $settings.package
  mv -fT $settings.package $settings
  echo "rcm-node: $settings is as it was before the purge that failed" >&2
fi
rm -rf "$bin/removed"

if is_ours; then
  take_link
  ours=yes
else
  say_others
  ours=no
fi

# A unit that an administrator disabled stays disabled.
if deb-systemd-helper --quiet was-enabled $unit; then
  deb-systemd-helper enable $unit >/dev/null || true
else
  deb-systemd-helper update-state $unit >/dev/null || true
fi

if is_running_systemd; then
  systemctl --system daemon-reload >/dev/null || true
  # The runtime is never restarted here: the service finds everything as it left it.
  if [ $starts = yes ]; then
    forget_starts
    deb-systemd-invoke start $unit >/dev/null || say_failed
  elif [ $ours = yes ] && is_running_or_failed; then
    forget_starts
    deb-systemd-invoke restart $unit >/dev/null || say_failed
  fi
fi
