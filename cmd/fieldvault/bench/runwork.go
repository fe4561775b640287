package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/fieldvault/fieldvault/vault/api"
)

// beside measures Transit on the same values.
func (r *runner) beside(ctx context.Context) (err error) {
	if r.g == nil || r.g.Vault == "" {
		return errors.New("there is no Vault: give --vault, and VAULT_TOKEN in the environment")
	}
	if r.transit == nil {
		if r.transit, err = NewTransit(ctx, r.g.Vault, r.g.Mount, r.g.Auth, r.g.Prefix+"raw", true); err != nil {
			return err
		}
		values := make([]string, r.scale.Raw)
		for i := range values {
			values[i] = r.t.last(int64(i))
		}
		if err := r.transit.Encrypt(ctx, values); err != nil {
			return err
		}
	}
	size := r.o.Batch * r.o.Fields
	for _, w := range []Workload{r.transit.Decrypt(), r.transit.Batch("decrypt", size), r.transit.Batch("rewrap", size)} {
		if err := r.both(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// rawTink measures what all cores open with raw Tink.
func (r *runner) rawTink() error {
	l, err := newLimit(int(max(1, min(r.o.People, 100_000))), len(r.t.last(0)))
	if err != nil {
		return err
	}
	for range r.o.Rounds {
		rate, err := l.opens(r.o.For)
		if err != nil {
			return err
		}
		f := Figure{Workload: "tink-open", Unit: "fields", PerSecond: rate, Units: rate, Seconds: r.o.For.Seconds(), Requests: int64(rate * r.o.For.Seconds())}
		r.report.Figures = append(r.report.Figures, f)
		r.say("%s", f)
	}
	return nil
}

// rotate moves all keys while people are read.
func (r *runner) rotate(ctx context.Context) error {
	w := r.t.RevealOne()
	w.Name = "reveal-single-while-rotating"
	quiet, err := r.drive(ctx, r.t.RevealOne(), Load{Workers: r.o.Workers, For: r.o.For})
	if err != nil {
		return err
	}
	keys, took, err := r.s.rotate(ctx, r.t.Server)
	if err != nil {
		return err
	}
	r.put("rewrapped_keys_per_second", float64(keys)/took.Seconds())
	_, err = r.whileRotating(ctx, w, Load{Workers: 2 * r.o.Workers, For: r.o.For, Rate: quiet.PerSecond / 3})
	return err
}

// cold reads people once after a start.
func (r *runner) cold(ctx context.Context) error {
	if r.g == nil {
		return errors.New("only a service that is started here can be started anew, with no key in its memory")
	}
	if err := r.start(ctx, nil); err != nil {
		return err
	}
	batch := int64(r.o.Batch)
	w := r.t.RevealBatch(r.o.Batch, func(n int64) int64 { return n * batch })
	w.Name = "reveal-cold" + w.Name[len("reveal-batch"):]
	_, err := r.drive(ctx, w, Load{Workers: r.o.Workers, Count: max(1, r.t.N/batch)})
	return err
}

// store stores people who are new.
func (r *runner) store(ctx context.Context, name string) error {
	if name == "put" {
		_, err := r.drive(ctx, r.t.Put(), Load{Workers: r.o.Workers, Count: r.o.People, First: r.fresh(r.o.People)})
		return err
	}
	first := r.fresh(r.o.People)
	was := r.t.N
	f, err := r.t.Load(ctx, first, first+r.o.People, r.o.Workers, r.o.Batch)
	r.t.N = was
	if err == nil {
		r.report.Figures = append(r.report.Figures, f)
		r.say("%s", f)
	}
	return err
}

// erase stores people and erases them.
func (r *runner) erase(ctx context.Context) error {
	n := min(r.o.People, 2000)
	first := r.fresh(n)
	was := r.t.N
	_, err := r.t.Load(ctx, first, first+n, 4, 200)
	r.t.N = was
	if err != nil {
		return err
	}
	_, err = r.drive(ctx, r.t.Erase(), Load{Workers: r.o.Workers, Count: n, First: first})
	return err
}

// decrypt seals ten values of people and opens them again.
func (r *runner) decrypt(ctx context.Context) error {
	encrypt := r.t.Encrypt()
	var bodies [][]byte
	for n := range min(r.t.N, 500) {
		c, err := r.t.Server.dial(ctx)
		if err != nil {
			return err
		}
		status, answer, err := c.do(encrypt.Request(nil, n))
		c.close()
		var out api.EncryptAnswer
		if err == nil {
			err = json.Unmarshal(answer, &out)
		}
		if err != nil || status != 200 || len(out.Results) != len(r.t.names) {
			return fmt.Errorf("sealing: status %d: %w", status, err)
		}
		body := []byte(`{"items":[`)
		for i, x := range out.Results {
			if i > 0 {
				body = append(body, ',')
			}
			body = fmt.Appendf(body, `{"subject":%q,"field":"%s.%s","ciphertext":%q}`, r.people.ID(r.t.pick(n)), r.t.coll, r.t.names[i], x.Ciphertext)
		}
		bodies = append(bodies, append(body, "]}"...))
	}
	return r.both(ctx, Workload{
		Name: "decrypt", Unit: "fields", Units: len(r.t.names), Server: r.t.Server,
		Request: func(b []byte, n int64) []byte {
			return r.t.Server.appendRequest(b, "POST", "/v1/decrypt", bodies[int(n)%len(bodies)])
		},
		Check: func(_ int64, body []byte) error { return wants(body, `"view":"plain"`, len(r.t.names)) },
	})
}
