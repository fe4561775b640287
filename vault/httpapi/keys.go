package httpapi

import (
	"net/http"
	"time"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/api"
)

func keyRoutes() []route {
	job := result{202, "The job, which a process with the keeper's rights carries out", api.Job{}, ""}
	return []route{
		{
			method: http.MethodGet, path: "/v1/keys", id: "keys", tag: "Keys", summary: "How the key-encryption keys stand",
			detail: "Their versions, how many wrapped keys stand under each, and how often each was used.",
			serve:  (*exchange).keys, out: []result{{200, "The tenant's key and the service's", api.Keys{}, ""}},
		},
		{
			method: http.MethodPost, path: "/v1/keys/rotation", id: "rotateKey", tag: "Keys", summary: "Add a version, and move everything to it",
			serve: requestKey(vault.JobRotate), out: []result{job},
		},
		{
			method: http.MethodPost, path: "/v1/keys/retirement", id: "retireKey", tag: "Keys", summary: "Take earlier versions out of use",
			detail: "Refused while anything stands under them. It can be taken back at the key store.",
			serve:  requestKey(vault.JobRetire), out: []result{job},
		},
		{
			method: http.MethodPost, path: "/v1/keys/trim", id: "trimKey", tag: "Keys", summary: "Destroy retired versions for ever",
			detail: "Old backups can then be opened by nobody under them.",
			serve:  requestKey(vault.JobTrim), out: []result{job},
		},
		{
			method: http.MethodPost, path: "/v1/subjects/{subject}/key-rotation", id: "rotateSubjectKeys", tag: "Keys",
			summary: "Give a person new data keys, after a compromise",
			detail:  "Values are sealed with them from the answer on. Earlier keys open what they sealed, until they are retired: move ciphertexts of your own with /v1/reencrypt.",
			serve:   (*exchange).rotateSubject, out: []result{{202, "The keys, and the job that seals anew what stands", api.SubjectKeyRotation{}, ""}},
		},
		{
			method: http.MethodPost, path: "/v1/subjects/{subject}/key-retirement", id: "retireSubjectKeys", tag: "Keys",
			summary: "Remove a person's earlier data keys for ever",
			detail:  "What they sealed opens no more, wherever it is kept. Refused under a hold, and while the job of the rotation is not done.",
			serve:   (*exchange).retireSubject, out: []result{{200, "The keys as they stand", api.SubjectKeys{}, ""}},
		},
		{
			method: http.MethodGet, path: "/v1/jobs", id: "jobs", tag: "Service", summary: "Background work",
			serve: (*exchange).jobs, out: []result{{200, "Newest first", api.Jobs{}, ""}},
		},
		{
			method: http.MethodGet, path: "/v1/jobs/{id}", id: "job", tag: "Service", summary: "How far a job is",
			serve: (*exchange).job, out: []result{{200, "The job", api.Job{}, ""}},
		},
	}
}

func (x *exchange) keys() (answer, error) {
	list, err := x.vault.KeyStatus(x.r.Context(), x.caller, x.cfg.Keys)
	if err != nil {
		return answer{}, err
	}
	out := api.Keys{Keys: make([]api.Key, len(list))}
	for i := range list {
		s := &list[i]
		k := api.Key{
			Key: s.Key, Latest: s.Latest, MinDecrypt: s.MinDecrypt, MinEncrypt: s.MinEncrypt, MinAvailable: s.MinAvailable,
			Epoch: s.Epoch, Warning: s.Warning, Wraps: make([]api.KeyUses, len(s.Wraps)),
			Uses: make([]api.KeyUse, len(s.Uses)),
		}
		for j, w := range s.Wraps {
			k.Wraps[j] = api.KeyUses{Version: w.Version, People: w.People, Own: w.Own}
		}
		for j, u := range s.Uses {
			k.Uses[j] = api.KeyUse{Version: u.Version, Uses: u.Uses}
		}
		if s.Rewrap != nil {
			j := x.jobOf(s.Rewrap)
			k.Rewrap = &j
		}
		out.Keys[i] = k
	}
	return encoded(http.StatusOK, out)
}

// requestKey serves a request for a job of the keeper.
func requestKey(kind string) func(*exchange) (answer, error) {
	return func(x *exchange) (answer, error) {
		j, err := x.vault.RequestKEK(x.r.Context(), x.caller, kind)
		if err != nil {
			return answer{}, err
		}
		return encoded(http.StatusAccepted, x.jobOf(&j))
	}
}

func (x *exchange) rotateSubject() (answer, error) {
	keys, job, err := x.vault.RotatePerson(x.r.Context(), x.caller, x.params["subject"])
	if err != nil {
		return answer{}, err
	}
	return encoded(http.StatusAccepted, api.SubjectKeyRotation{Keys: subjectKeys(keys), Job: x.jobOf(&job)})
}

func (x *exchange) retireSubject() (answer, error) {
	keys, err := x.vault.RetirePerson(x.r.Context(), x.caller, x.params["subject"])
	if err != nil {
		return answer{}, err
	}
	return encoded(http.StatusOK, api.SubjectKeys{Keys: subjectKeys(keys)})
}

func subjectKeys(list []vault.PersonKey) []api.SubjectKey {
	out := make([]api.SubjectKey, len(list))
	for i, k := range list {
		out[i] = api.SubjectKey(k)
	}
	return out
}

func (x *exchange) jobs() (answer, error) {
	list, err := x.vault.Jobs(x.r.Context(), x.caller)
	if err != nil {
		return answer{}, err
	}
	out := api.Jobs{Jobs: make([]api.Job, len(list))}
	for i := range list {
		out.Jobs[i] = x.jobOf(&list[i])
	}
	return encoded(http.StatusOK, out)
}

func (x *exchange) job() (answer, error) {
	id, err := x.pathID()
	if err != nil {
		return answer{}, err
	}
	j, err := x.vault.Job(x.r.Context(), x.caller, id)
	if err != nil {
		return answer{}, err
	}
	return encoded(http.StatusOK, x.jobOf(&j))
}

func (x *exchange) jobOf(j *vault.Job) api.Job {
	state := map[int16]string{vault.JobQueued: "queued", vault.JobRunning: "running", vault.JobDone: "done", vault.JobFailed: "failed"}[j.State]
	return api.Job{
		ID: j.ID.String(), Kind: j.Kind, State: state, Done: j.Done, Total: j.Total, ETA: eta(j, x.cfg.Now()),
		Note: j.Note, By: j.By, Created: j.Created, Updated: j.Updated,
	}
}

// eta is how many seconds the rest of a running job will take, if it goes on as it
// went; 0: not known.
func eta(j *vault.Job, now time.Time) int64 {
	took := now.Sub(j.Created).Seconds()
	if j.State != vault.JobRunning || j.Done <= 0 || j.Total <= j.Done || took <= 0 {
		return 0
	}
	return int64(took * float64(j.Total-j.Done) / float64(j.Done))
}
