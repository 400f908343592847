#!/bin/sh
# emulated.sh INTERPRETER ROOT COMMAND...: runs COMMAND where the kernel runs programs for arm64 by INTERPRETER, a static program.
# ROOT is a folder that COMMAND may make its root.
# The kernel asks the binfmt_misc of the user namespace that a program is started in (Linux 6.7 and later), so this one is in
# a namespace of its own, in which ids are the same as outside. The table of this machine stays as it is.
set -eu
if [ "${1-}" != inside ]; then
  # Only a process outside of the namespace can map the ids, and this one is the one that enters it. All but the last: with all of
  # them runc takes the namespace for the machine's own, and makes device nodes, which is denied in every other one.
  outside=$$
  (
    until [ "$(readlink "/proc/$outside/ns/user")" != "$(readlink /proc/self/ns/user)" ]; do sleep 0.02; done
    for map in uid_map gid_map; do echo '0 0 4294967294' >"/proc/$outside/$map"; done
  ) &
  exec unshare --user --mount --propagation=slave "$0" inside "$@"
fi
shift
until grep -q . /proc/self/gid_map; do sleep 0.02; done
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
# The header of a 64-bit ELF file for machine 183 (elf(5)). F: opened now, so that it works in every root; O and C: given the
# open program, with its credentials. https://docs.kernel.org/admin-guide/binfmt-misc.html
magic='\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
printf '%s' ":arm64:M:0:$magic:$mask:$1:OCF" >/proc/sys/fs/binfmt_misc/register
# What was mounted outside is locked in its place; another mount of the same is not.
mount --bind -- "$2" "$2"
shift 2
exec "$@"
