package page

import "time"

// Erase says what erasing will do, before anything is done.
type Erase struct {
	// Destroyed are titles of what will be gone for good.
	Destroyed []string
	Kept      []Kept
	// Held says that the data may not be erased now, because of a legal duty.
	Held bool
	// Backups is when no old backup can bring the data back; zero: not known.
	Backups time.Time
}

func (Erase) about() about {
	return about{name: "erase", title: "erase.title", area: areaPerson, place: sectionErase}
}

// Kept is something that stays after an erasure.
type Kept struct {
	What, Why string
	Until     time.Time // zero: no date
}

// EraseConfirm is the last step before the erasure.
type EraseConfirm struct {
	// Token is the signed time at which the page was made; it goes back unchanged.
	Token string
	// Wait is how many seconds the form must rest before the server takes it.
	Wait int
	// Unticked and Early say why the form came back.
	Unticked, Early bool
}

func (EraseConfirm) about() about {
	return about{name: "eraseconfirm", title: "eraseconfirm.title", area: areaPerson, place: sectionErase}
}

// Erased tells that it is done. The person is signed out by then.
type Erased struct {
	At time.Time
	// Waiting says that a second person must agree first: nothing is erased yet.
	Waiting bool
	// Certificate leads to the proof, if there is one. It must work without a session.
	Certificate string
	// Backups is when no old backup can bring the data back; zero: not known.
	Backups time.Time
	Kept    []Kept
}

func (Erased) about() about {
	return about{name: "erased", title: "erased.title", area: areaNone}
}
