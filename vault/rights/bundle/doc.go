// Package bundle packs the evidence of how a person's request was dealt with into one
// file that verifies offline: [Pack] makes it of a request that has ended, [Verify]
// checks it with nothing but the service's public key.
//
// # Format
//
// A bundle is a ZIP archive of these files, in the order of their names:
//
//	README.txt           how to verify the bundle, in plain words
//	answer.txt           what the person was told; optional
//	certificate.json     the certificate of erasure (evidence.Certificate); optional
//	export.json          what the person was given; optional
//	manifest.json        the hashes of all other files, signed (evidence.Manifest)
//	receipts/001.json    receipts of consent (evidence.Receipt), from 001 on; optional
//	request.json         the request and its steps: {"request": ..., "steps": [...]}
//
// Files are stored, not compressed, and bear the time at which the request ended.
// Nothing else is in the archive, and it has one form: the same contents always give the
// same bytes. So every changed byte is found, in the archive's own tables too.
//
// # Who may see it
//
// answer.txt, export.json and receipts are the person's own data: a bundle is for the
// person, and for whoever may see these. All else is free of personal data.
package bundle
