package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jedib0t/go-pretty/v6/progress"
	"golang.org/x/term"
)

// A progressBar shows how far long work has come, on a terminal only: elsewhere
// it writes nothing but what is reported.
type progressBar struct {
	w       io.Writer
	total   int
	writer  progress.Writer // nil where nobody watches
	tracker *progress.Tracker
	ended   chan struct{}
}

// newProgress begins to show work of the given size; 0: nobody knows. The caller
// must end it.
func newProgress(w io.Writer, what string, total int) *progressBar {
	b := &progressBar{w: w, total: total}
	f, ok := w.(*os.File)
	if !ok || !terminal(w) {
		return b
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil || columns <= 0 {
		columns = 80
	}
	b.writer, b.ended = progress.NewWriter(), make(chan struct{})
	b.tracker = &progress.Tracker{Message: what, Total: int64(total), Units: progress.UnitsDefault}
	b.writer.SetOutputWriter(w)
	b.writer.SetAutoStop(true) // Stop is lost if it comes before Render has begun
	b.writer.SetUpdateFrequency(100 * time.Millisecond)
	b.writer.SetTerminalWidth(columns)
	b.writer.SetTrackerPosition(progress.PositionRight)
	b.writer.SetStyle(progress.StyleBlocks)
	b.writer.Style().Visibility.Time = false
	b.writer.Style().Visibility.Value = total == 0
	b.writer.AppendTracker(b.tracker)
	go func() {
		defer close(b.ended)
		b.writer.Render()
	}()
	return b
}

// at says how much is done. All of it is only said by end, because the drawing
// ends with it, and nothing could be reported after.
func (b *progressBar) at(n int) {
	switch {
	case b.writer == nil:
	case b.total == 0:
		b.tracker.SetValue(int64(n))
	default:
		b.tracker.SetValue(int64(min(n, b.total-1)))
	}
}

// resize says how much work there is, once that is known.
func (b *progressBar) resize(total int) {
	if b.total = total; b.writer != nil && total > 0 {
		b.tracker.UpdateTotal(int64(total))
	}
}

// say changes the words beside the bar.
func (b *progressBar) say(what string) {
	if b.writer != nil {
		b.tracker.UpdateMessage(what)
	}
}

// report writes a line that stays, above the bar.
func (b *progressBar) report(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if b.writer != nil {
		b.writer.Log("%s", line)
	} else {
		fmt.Fprintln(b.w, line)
	}
}

// end draws the bar a last time, as done or as failed, and waits until it is drawn.
func (b *progressBar) end(err error) {
	if b.writer == nil {
		return
	}
	if err != nil {
		b.tracker.MarkAsErrored()
	} else {
		b.tracker.MarkAsDone()
	}
	<-b.ended
}
