# rpm runs it when files are gone.
if is_running_systemd; then systemctl daemon-reload >/dev/null || true; fi
[ "$1" -eq 0 ] || exit 0
for folder in "$bin/versions" "$bin" /opt/rcm-node; do
  rmdir "$folder" 2>/dev/null || true
done
