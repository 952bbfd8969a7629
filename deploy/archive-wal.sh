#!/bin/sh
# Archives one WAL segment: archive_command = '/etc/comanda/archive-wal.sh %p %f /var/backups/wal'
# Succeeds only when the copy is complete and on the disk. Refuses to replace a file by another one,
# as when two servers use one archive. PostgreSQL repeats a failed command, and archives a segment
# again when it crashed before it had noted the success.
set -eu
segment=$1
copy=$3/$2
if [ ! -e "$copy" ]; then
  cp "$segment" "$copy.part"
  sync "$copy.part"
  # Unlike mv, ln fails when another server has created the file meanwhile.
  ln "$copy.part" "$copy"
  rm "$copy.part"
fi
cmp "$segment" "$copy"
sync "$3"
