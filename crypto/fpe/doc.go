// Package fpe encrypts a text into a text of the same length over the same alphabet, such as
// sixteen digits into sixteen digits. It is FF1 of NIST SP 800-38G (March 2016) over AES, with
// the stricter limits of the drafts of its Revision 1 (2019, and the second of February 2025,
// which keeps FF1 and drops FF3).
//
// # Limits
//
// With r characters in the alphabet and n in the text:
//
//   - r is from 2 to 65,536;
//   - r^n is at least 1,000,000 and n at least 2, so that n is at least 6 for digits, 4 for
//     letters and digits, 20 for bits. A shorter text is refused: see below why;
//   - n is at most [MaxLen] and a tweak at most [MaxTweak] bytes. SP 800-38G leaves both to the
//     implementation, below 2^32: these bound the work of a call, which grows with the square
//     of n.
//
// # What FF1 does not do
//
//   - It is deterministic. Under one key and tweak equal texts give equal results, so whoever
//     sees results learns which are equal and how often each occurs. A tweak that is another
//     for each person or field (it need not be secret) keeps that to the texts that share it.
//   - It authenticates nothing. Every text of the right form decrypts, to something. What must
//     not be forged needs a check of its own.
//   - It keeps the length, and a text of few possible values stays one of few: whoever may ask
//     for encryptions under a tweak can try them all.
//
// # Why a million
//
// FF1 is a Feistel network of ten rounds, and on small domains its rounds are too few, whatever
// the strength of AES:
//
//   - Bellare, Hoang and Tessaro, "Message-recovery attacks on Feistel-based format-preserving
//     encryption" (CCS 2016): an unknown text is found from its encryptions, beside those of a
//     related known text, under some N^4 tweaks, where N is the size of a half. Hoang, Tessaro and
//     Trieu, "The curse of small domains" (CRYPTO 2018), need fewer.
//   - Durak and Vaudenay, "Breaking the FF3 format-preserving encryption standard over small
//     domains" (CRYPTO 2017): a flaw in how FF3 uses its tweak recovers its whole table. FF1 does
//     not have that flaw, and this package has no FF3.
//   - Amon, Dunkelman, Keller, Ronen and Shamir, "Three third generation attacks on the
//     format preserving encryption scheme FF3" (EUROCRYPT 2021): better attacks of that kind, and a
//     distinguisher that holds for FF1 too on small domains.
//
// Their cost grows with a power of the size of the domain. NIST answered by requiring a million
// where 2016 only recommended it; more is better, and tweaks that an attacker cannot choose help.
//
// # Time
//
// AES is constant in time where the processor has instructions for it. The arithmetic on halves is
// not: it divides, and past 64 bits it is math/big, whose time depends on the numbers. Translating
// characters looks them up in tables. Do not use the package where an attacker can time single
// calls precisely.
package fpe
