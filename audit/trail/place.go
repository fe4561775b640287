package trail

import "github.com/google/uuid"

// The ids of events that share a row differ in their last bits alone, in which is where
// in the row the event is. So one entry of an index finds all of them.
const partMask = MaxPack - 1

// FirstID is an id as the first event of a row, or the only one, may have it: one whose
// last five bits are zero.
func FirstID(id uuid.UUID) uuid.UUID {
	id[len(id)-1] &^= partMask
	return id
}

// PartID is the id of an event of a row: that of the first event, with the number of the
// event in it, from 0.
func PartID(first uuid.UUID, part int) uuid.UUID {
	first[len(first)-1] |= byte(part & partMask)
	return first
}

// SplitID is what an id was made of by [PartID].
func SplitID(id uuid.UUID) (first uuid.UUID, part int) {
	return FirstID(id), int(id[len(id)-1] & partMask)
}
