package main

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

// How long a line of the log waits for others, and how many bytes of them do.
const (
	logWait = 100 * time.Millisecond
	logRoom = 64 << 10
)

// A lineBuffer writes the lines of a log together: one system call for each request is a
// tenth of what a small one costs. A line waits for logWait at most; one that is a warning
// or worse does not, nor do those before it (see [lineBuffer.logger]). What has not been
// written is lost with a process that is killed: it is no record of who read what, which
// is the audit log's, written before an answer is given.
type lineBuffer struct {
	mu    sync.Mutex
	to    io.Writer
	lines []byte
	timer *time.Timer // that will flush; nil: none is under way
}

// Write takes a line. Its error is always nil: there is nobody to tell.
func (b *lineBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, line...)
	switch {
	case len(b.lines) >= logRoom:
		b.flush()
	case b.timer == nil:
		b.timer = time.AfterFunc(logWait, b.Flush)
	}
	return len(line), nil
}

// Flush writes what waits.
func (b *lineBuffer) Flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flush()
}

func (b *lineBuffer) flush() {
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	if len(b.lines) > 0 {
		_, _ = b.to.Write(b.lines)
		b.lines = b.lines[:0]
	}
}

// logger is a logger that writes here, and at once what is a warning or worse.
func (b *lineBuffer) logger(level, format string) (*slog.Logger, error) {
	l, err := newLogger(b, level, format)
	if err != nil {
		return nil, err
	}
	return slog.New(promptHandler{l.Handler(), b}), nil
}

// A promptHandler flushes a lineBuffer after each warning and error.
type promptHandler struct {
	slog.Handler
	buffer *lineBuffer
}

// Handle implements [slog.Handler].
func (h promptHandler) Handle(ctx context.Context, r slog.Record) error { //nolint:gocritic // the interface asks for a value
	err := h.Handler.Handle(ctx, r)
	if r.Level >= slog.LevelWarn {
		h.buffer.Flush()
	}
	return err
}

// WithAttrs implements [slog.Handler].
func (h promptHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return promptHandler{h.Handler.WithAttrs(attrs), h.buffer}
}

// WithGroup implements [slog.Handler].
func (h promptHandler) WithGroup(name string) slog.Handler {
	return promptHandler{h.Handler.WithGroup(name), h.buffer}
}
