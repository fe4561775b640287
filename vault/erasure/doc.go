// Package erasure is what an erasure is, apart from doing it: who may erase how many
// alone ([Allow]), from when on not even a backup brings anybody back
// ([Settings.Horizon]), and the certificate that says so ([Certificate]).
//
// All of it is pure: no clock, no storage, no keys.
package erasure
