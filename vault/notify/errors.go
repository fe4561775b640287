package notify

import "errors"

// What a caller can act on. Send answers the first three, Check and New the others.
var (
	// ErrFull: as many messages wait as [Config].Queue allows. The message was not
	// taken; those that wait are not touched.
	ErrFull = errors.New("notify: too many messages wait to be delivered")

	// ErrStopped: [Sender.Run] has ended, or is about to. The message was not taken.
	ErrStopped = errors.New("notify: the sender has stopped")

	// ErrUndelivered: the one attempt of [Sender.Deliver] failed. Another may help.
	ErrUndelivered = errors.New("notify: not delivered")

	// ErrMessage says that an id, a kind or a body does not have the form that
	// [Sender.Send] asks for. It wraps the name of the part, never its content.
	ErrMessage = errors.New("notify: not a valid message")

	// ErrSecret: a secret has fewer than [MinSecret] bytes.
	ErrSecret = errors.New("notify: the secret is too short: at least 32 random bytes are needed")

	// ErrSignature: what was received was not signed with this secret, or was
	// changed. All ways in which that can be look alike.
	ErrSignature = errors.New("notify: the signature does not verify")

	// ErrTime: the signature holds, but it was made more than [Tolerance] ago, or as
	// far ahead: it is a repetition, or one of the two clocks is wrong.
	ErrTime = errors.New("notify: signed too long ago, or in the future")
)
