package api

import "time"

// A Keys answers GET /v1/keys: how key-encryption keys stand.
type Keys struct {
	Keys []Key `json:"keys"`
}

// A Key is one key-encryption key, with its versions from 1.
type Key struct {
	Key          string    `json:"key" doc:"The tenant's name, or _system for the service's own"`
	Latest       int       `json:"latest" doc:"The version that wraps"`
	MinDecrypt   int       `json:"min_decrypt" doc:"The lowest version that opens"`
	MinEncrypt   int       `json:"min_encrypt" doc:"The lowest version that may wrap; 0: the latest alone"`
	MinAvailable int       `json:"min_available" doc:"The lowest version that exists; those below are destroyed"`
	Epoch        int       `json:"epoch" doc:"The lowest version under which the database takes new wraps"`
	Wraps        []KeyUses `json:"wraps" doc:"How much each version wraps that wraps anything"`
	Uses         []KeyUse  `json:"uses" doc:"How often each version was used that stands and ever was"`
	Warning      string    `json:"warning,omitempty" doc:"That the version in use was used often, and what to do"`
	Rewrap       *Job      `json:"rewrap,omitempty" doc:"The latest job that moves keys to the latest version"`
}

// A KeyUses is how much one version wraps.
type KeyUses struct {
	Version int   `json:"version"`
	People  int64 `json:"people" doc:"Data keys of people"`
	Own     int64 `json:"own" doc:"Keys of the tenant itself"`
}

// A KeyUse is how often one version was used.
type KeyUse struct {
	Version int   `json:"version"`
	Uses    int64 `json:"uses" doc:"How often it wrapped, at least; rotate long before 4294967296"`
}

// A Job is background work.
type Job struct {
	ID      string    `json:"id" format:"uuid"`
	Kind    string    `json:"kind" enum:"rewrap,reseal,reindex,key_rotation,key_retirement,key_trim"`
	State   string    `json:"state" enum:"queued,running,done,failed"`
	Done    int64     `json:"done" doc:"Units done"`
	Total   int64     `json:"total" doc:"Of so many; 0: not known"`
	ETA     int64     `json:"eta_seconds,omitempty" doc:"How long the rest will take, about; absent: not known"`
	Note    string    `json:"note,omitempty" doc:"What is being done, or why it waits or failed, in words"`
	By      string    `json:"by" doc:"Who asked for it"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

// A Jobs answers GET /v1/jobs, newest first.
type Jobs struct {
	Jobs []Job `json:"jobs"`
}

// A SubjectKey is the data key of one key group of a person.
type SubjectKey struct {
	Group   string `json:"group" doc:"The key group; empty: what identifies the person"`
	Version uint32 `json:"version" doc:"From 1; each rotation and each retirement makes the next"`
}

// A SubjectKeyRotation answers POST /v1/subjects/{subject}/key-rotation.
type SubjectKeyRotation struct {
	Keys []SubjectKey `json:"keys"`
	Job  Job          `json:"job" doc:"Seals anew what stands; it goes on by itself"`
}

// SubjectKeys answers POST /v1/subjects/{subject}/key-retirement.
type SubjectKeys struct {
	Keys []SubjectKey `json:"keys"`
}
