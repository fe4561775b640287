// Package token makes the texts that stand for a field of a person in place of its value, so
// that an application need not hold the value itself. A text says nothing: what it stands
// for is in a table, and is shown to whoever may see the field. This package knows neither
// the table nor the person.
//
// # Texts
//
// [New] makes a text that nobody can guess, in a form that scanners for leaked secrets find:
//
//	"fvt_", then 32 characters of base32 (RFC 4648, section 6, in lower case): 16 random
//	bytes and the CRC-32 (IEEE 802.3) of "fvt_" and these bytes, big-endian
//
// It matches fvt_[a-z2-7]{32}. The check finds slips of the pen, it proves nothing:
// [WellFormed] does not say that there is such a token.
//
// # Formats
//
// [Format.Make] makes a text of a demanded form: so many characters of an alphabet, or the
// value with each character of the alphabet replaced, and spaces and punctuation left where
// they stand. A value with other letters or digits has no such text: they would show.
// The last ones may be kept, such as the last four digits of a card; whoever sees the text
// then sees these.
//
// The characters are those that FF1 (NIST SP 800-38G) under the given key makes of the
// value's own, or of so many first characters of the alphabet, with a tweak of 16 random
// bytes that is then forgotten. Therefore the text is no encryption of the value that anybody
// could undo: under each other tweak it decrypts to something else, and no tweak is kept. Nor
// are two texts of one value the same. A text is never the value itself, but it may be
// another person's, and nothing tells it from a value: where that matters, choose an alphabet
// or a length that no value has.
//
// FF1 is not safe on few values: at least a million texts of the form are demanded, as in the
// drafts of Revision 1 of SP 800-38G. See package fpe.
//
// # What is kept of a text
//
// A text that is to be answered again is kept with a digest of the value for which it was
// made, sealed under the person's key. [Kept.Append] writes, before it is sealed:
//
//	1 byte    the version: 1
//	32 bytes  SHA-256 of the form ("", or as Format.ID gives it), after its length as an
//	          unsigned varint, and of the value
//	the text, 1 to 256 bytes
package token
