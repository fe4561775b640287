package ledger

import (
	"context"
	"log/slog"
)

// Disk lets tests give a file a disk that fails.
type Disk = disk

// OpenDisk opens the ledger on a disk.
func OpenDisk(ctx context.Context, d Disk) (*File, error) {
	return openDisk(ctx, d, slog.New(slog.DiscardHandler))
}
