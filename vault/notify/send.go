package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
)

// The waits between attempts, and after the end.
const (
	firstRetry = time.Second     // after the first attempt; it doubles each time
	maxRetry   = time.Minute     // the longest that a wait becomes by doubling
	maxAfter   = 5 * time.Minute // the longest that a receiver can ask for by Retry-After
	lastCalls  = 5 * time.Second // for what waits when Run is to end, all together
)

// A message waits to be delivered.
type message struct {
	id, kind string
	body     []byte
}

// state is where a sender stands in its life.
type state int8

const (
	fresh state = iota
	running
	stopped
)

// Send takes a message to be delivered, and does not wait for that. id names it to
// the receiver, who may see it twice: 1 to MaxID bytes of A-Z a-z 0-9 _ and -, such
// as a UUID. kind says in the log what it is about, [a-z][a-z0-9_.]{0,62}; the
// receiver reads that in the body, which is JSON of at most MaxBody bytes. The
// body is copied.
//
// The error is ErrFull, ErrStopped or ErrMessage.
func (s *Sender) Send(id, kind string, body []byte) error {
	if err := valid(id, kind, body); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == stopped:
		return ErrStopped
	case s.stats.Waiting >= int64(s.cfg.Queue):
		s.stats.Refused++
		return ErrFull
	}
	s.stats.Waiting++
	s.queue <- message{id: id, kind: kind, body: bytes.Clone(body)} // has room: fewer wait than it holds
	return nil
}

func valid(id, kind string, body []byte) error {
	switch {
	case !validID(id):
		return fmt.Errorf("%w: id", ErrMessage)
	case !validKind(kind):
		return fmt.Errorf("%w: kind", ErrMessage)
	case len(body) > MaxBody:
		return fmt.Errorf("%w: body", ErrMessage)
	}
	return nil
}

// Deliver sends a message once, at once, and waits for the answer. It is for a caller
// who keeps messages and tries again, under the same id; it needs no [Sender.Run], and
// is not counted in Stats. The error is ErrMessage, or ErrUndelivered in words of this
// package.
func (s *Sender) Deliver(ctx context.Context, id, kind string, body []byte) error {
	if err := valid(id, kind, body); err != nil {
		return err
	}
	a := s.attempt(ctx, message{id: id, kind: kind, body: body})
	if a.why == "" {
		return nil
	}
	s.cfg.Logger.WarnContext(ctx, "a webhook was not delivered", "host", s.host, "id", id, "kind", kind, "why", a.why, "status", a.status)
	return fmt.Errorf("%w: %s", ErrUndelivered, a.why)
}

// Stats says how many messages were delivered, given up, and wait.
func (s *Sender) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Run delivers what Send takes, until ctx ends. Then Send takes no more, what
// waits is tried once, all of it within five seconds, and Run returns nil. It runs
// once in the life of a sender.
func (s *Sender) Run(ctx context.Context) error {
	if !s.move(fresh, running) {
		return errors.New("notify: the sender runs already, or has stopped")
	}
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	over := make(chan struct{})
	go func() {
		defer close(over)
		defer cancel()
		select {
		case <-ctx.Done():
			sleep(late, lastCalls)
		case <-late.Done():
		}
	}()
	defer func() {
		cancel()
		<-over
		s.http.CloseIdleConnections()
	}()
	for ctx.Err() == nil {
		select {
		case m := <-s.queue:
			s.deliver(ctx, late, m)
		case <-ctx.Done():
		}
	}
	s.finish(ctx, late)
	return nil
}

func (s *Sender) move(from, to state) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != from {
		return false
	}
	s.state = to
	return true
}

// finish tries what waits once, and gives up the rest when late ends.
func (s *Sender) finish(ctx, late context.Context) {
	s.move(running, stopped)
	lost := 0
	for {
		select {
		case m := <-s.queue:
			if late.Err() == nil {
				s.deliver(ctx, late, m)
				continue
			}
			s.done(false)
			lost++
		default:
			if lost > 0 {
				s.cfg.Logger.ErrorContext(ctx, "webhooks were not delivered before the end", "host", s.host, "messages", lost)
			}
			return
		}
	}
}

// deliver sends a message until it is delivered or given up. When ctx has ended,
// the next attempt is the last; late cuts attempts short.
func (s *Sender) deliver(ctx, late context.Context, m message) {
	for n := 1; ; n++ {
		a := s.attempt(late, m)
		if a.why == "" {
			s.done(true)
			return
		}
		log := s.cfg.Logger.With("host", s.host, "id", m.id, "kind", m.kind, "attempt", n, "why", a.why, "status", a.status)
		if !a.again || n >= s.cfg.Attempts || ctx.Err() != nil {
			log.ErrorContext(ctx, "a webhook was given up")
			s.done(false)
			return
		}
		wait := max(s.cfg.Jitter(backoff(n)), min(a.after, maxAfter))
		log.WarnContext(ctx, "a webhook was not delivered; trying again", "wait", wait)
		sleep(ctx, wait)
	}
}

// done counts a message that no longer waits.
func (s *Sender) done(delivered bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Waiting--
	if delivered {
		s.stats.Delivered++
	} else {
		s.stats.Failed++
	}
}

// backoff is how long to wait after the n-th attempt, before jitter.
func backoff(n int) time.Duration { return min(firstRetry<<min(n-1, 20), maxRetry) }

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
