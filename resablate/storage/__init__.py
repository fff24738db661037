"""What a sweep keeps on disk: its folder, locks, spool and checkpoints."""
