#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: pack.sh KERNEL COMMANDS OUT.iso FILE...: a bootable picture of KERNEL (vmlinuz, 5.16 or newer for AMX; of Debian's linux-image package, for example), the FILEs in /bin (static
# programs, models), init.c and instructions.c beside this script. COMMANDS is a file: a command a line (/bin/check --level amx --family gemm_bf16). Output comes on the serial
# line. Needs: cc, cpio, gzip, grub-mkrescue (Debian: cpio grub-pc-bin grub-common xorriso mtools), root for the device nodes.
# What was run with it, in which emulator: docs/performance.md.
set -e
[ $# -ge 3 ] || { sed -n 's/^# usage: //p' "$0" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd) kernel=$1 commands=$2 out=$3
shift 3
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
mkdir -p "$T/root/proc" "$T/root/dev" "$T/root/bin" "$T/iso/boot/grub"
${CC:-cc} -O1 -static -o "$T/root/init" "$here/init.c"
${CC:-cc} -O1 -fno-tree-vectorize -ffp-contract=off -march=sapphirerapids -static -o "$T/root/bin/instructions" "$here/instructions.c" -lm
cp "$commands" "$T/root/cmd"
for f in "$@"; do cp "$f" "$T/root/bin/"; done
mknod "$T/root/dev/console" c 5 1
mknod "$T/root/dev/ttyS0" c 4 64
mknod "$T/root/dev/null" c 1 3
(cd "$T/root" && find . | cpio -o -H newc 2>/dev/null | gzip -1 >"$T/iso/boot/initrd")
cp "$kernel" "$T/iso/boot/vmlinuz"
# What an emulated processor announces and does not do well enough for the kernel is left out; the rest shortens the boot.
cat >"$T/iso/boot/grub/grub.cfg" <<G
set timeout=0
linux /boot/vmlinuz console=ttyS0 nokaslr mitigations=off lpj=1000000 panic=1 idle=poll no5lvl nopti clearcpuid=smap,smep,invpcid,pku,fsrm,erms,fsgsbase,user_shstk,ibt,la57
initrd /boot/initrd
boot
G
grub-mkrescue -o "$out" "$T/iso" >"$T/log" 2>&1 || { tail -3 "$T/log" >&2; exit 1; }
