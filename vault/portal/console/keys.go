package console

import (
	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/portal/page"
)

// jobsShown is how many jobs the page lists.
const jobsShown = 30

// keys shows the key-encryption keys and the background work.
func (v *visit) keys() (page.Page, error) {
	may := v.duties.May
	out := page.ConsoleKeys{MayAct: may[accessctl.ActionKeys] && v.cfg.Keeper}
	if may[accessctl.ActionKeys] && v.cfg.Keys != nil {
		list, err := v.vault.KeyStatus(v.r.Context(), v.caller, v.cfg.Keys)
		if err != nil {
			return nil, err
		}
		for i := range list {
			out.Keys = append(out.Keys, keyOf(&list[i], list[i].Key != v.caller.Tenant))
		}
	}
	if may[accessctl.ActionJobs] {
		list, err := v.vault.Jobs(v.r.Context(), v.caller)
		if err != nil {
			return nil, err
		}
		for i := range list[:min(len(list), jobsShown)] {
			j := v.job(&list[i])
			out.Busy = out.Busy || j.State == page.JobWaits || j.State == page.JobRuns
			out.Jobs = append(out.Jobs, j)
		}
	}
	return out, nil
}

func keyOf(s *vault.KEKStatus, system bool) page.ConsoleKey {
	k := page.ConsoleKey{Name: s.Key, System: system, Latest: s.Latest, Opens: s.MinDecrypt, Exists: s.MinAvailable, Warning: s.Warning}
	for _, w := range s.Wraps {
		n := page.ConsoleVersion{Number: w.Version, People: w.People, Own: w.Own}
		for _, u := range s.Uses {
			if u.Version == w.Version {
				n.Uses = u.Uses
			}
		}
		k.Versions = append(k.Versions, n)
	}
	return k
}

func (v *visit) job(j *vault.Job) page.ConsoleJob {
	state := map[int16]page.JobState{
		vault.JobQueued: page.JobWaits, vault.JobRunning: page.JobRuns, vault.JobDone: page.JobDone, vault.JobFailed: page.JobFailed,
	}[j.State]
	return page.ConsoleJob{
		Kind: page.JobKind(j.Kind), State: state, Done: j.Done, Total: j.Total, Begun: v.here(j.Created), Seen: v.here(j.Updated),
		By: name(j.By), Note: j.Note,
	}
}

// askKeeper asks for work on the tenant's key-encryption key.
func (v *visit) askKeeper() (page.Page, error) {
	var err error
	switch v.r.PostForm.Get(page.FieldDo) {
	case page.KeyRotate:
		_, err = v.vault.RequestKEK(v.r.Context(), v.caller, vault.JobRotate)
	case page.KeyRetire:
		_, err = v.vault.RequestKEK(v.r.Context(), v.caller, vault.JobRetire)
	case page.KeyTrim: // for ever: the box must be ticked
		if v.r.PostForm.Get(page.FieldSure) != "yes" {
			return v.to(page.PathConsoleKeys, page.FlashFailed)
		}
		_, err = v.vault.RequestKEK(v.r.Context(), v.caller, vault.JobTrim)
	case page.KeyRewrap:
		_, err = v.vault.RewrapKEK(v.r.Context(), v.caller, v.caller.Tenant)
	default:
		err = vault.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return v.to(page.PathConsoleKeys, page.FlashAsked)
}
