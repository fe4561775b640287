package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

func newPolicy(w world) *cobra.Command {
	var role string
	apply := &cobra.Command{
		Use:   "apply FILE",
		Short: "Make FILE the tenant's policy",
		Long: `Makes FILE the tenant's policy, in force on every node from the next request on.
A policy with errors is refused; warnings are printed. It opens the store itself
and acts as local:<user>, in events.`,
		Example: `  fieldvault policy apply policy.cedar --config serve.yaml`,
		Args:    cobra.ExactArgs(1),
	}
	storeFlags(apply)
	roleFlag(apply, &role, "operator")
	apply.RunE = func(c *cobra.Command, args []string) error { return applyPolicy(c, w, args[0], role) }
	return group("policy", "Apply, check, explain and test policies: who may see what, in Cedar",
		apply, policyCheck(), policyExplain(), policyTest())
}

func applyPolicy(c *cobra.Command, w world, path, role string) error {
	cfg, err := loadConfig(c, w)
	if err != nil {
		return err
	}
	source, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the policy: %w", err)
	}
	return withParts(c.Context(), w, cfg, func(p *parts) error {
		by := operator(cfg.Tenant, accessctl.Role(role))
		version, findings, err := p.vault.ApplyPolicy(c.Context(), by, source, false)
		for _, f := range findings {
			fmt.Fprintf(w.stderr, "%s: %s\n", path, f)
		}
		var wrong *vault.InvalidError
		if errors.As(err, &wrong) {
			return withHint(fmt.Errorf("%s: %w", path, err), "correct it, and see `fieldvault policy check`; nothing was applied")
		}
		if err != nil {
			return deniedHint(err, role, accessctl.ActionConfigure)
		}
		if !configures(source, by) {
			fmt.Fprintf(w.stderr, "fieldvault: this policy does not let the role %s configure: the next one must be applied with --role and one that may\n", role)
		}
		return answer(c, map[string]int64{"version": version}, fmt.Sprintf("The policy in force is version %d.", version))
	})
}

// configures says whether the caller may still change the policy under it.
func configures(source []byte, by accessctl.Caller) bool {
	p, err := accessctl.ParsePolicy(1, source)
	return err == nil && p.For(by, accessctl.PurposeFacts{}).PermitService(accessctl.ActionConfigure).Allowed
}

// policyFiles are the flags of verbs that need no store.
func policyFiles(c *cobra.Command) (policy, cat *string) {
	policy = c.Flags().String("policy", "policy.cedar", "policy file")
	cat = c.Flags().String("catalog", "catalog.yaml", "catalog file")
	return policy, cat
}

func readPolicy(policyPath, catalogPath string) (*accessctl.Policy, *catalog.Catalog, error) {
	text, err := os.ReadFile(policyPath)
	if err != nil {
		return nil, nil, withHint(fmt.Errorf("reading the policy: %w", err), "name it with --policy, and the catalog with --catalog")
	}
	p, err := accessctl.ParsePolicy(1, text)
	if err != nil {
		return nil, nil, withHint(fmt.Errorf("%s: %w", policyPath, err), "correct it there; deploy/sample/policy.cedar is an example")
	}
	cat, err := readCatalog(catalogPath)
	return p, cat, err
}

func policyCheck() *cobra.Command {
	c := &cobra.Command{
		Use:   "check",
		Short: "Find what is wrong with a policy, given a catalog; no store is needed",
		Long: `Finds names that the catalog does not have, policies that can never apply, and
policies whose evaluation fails, which denies everything that they are about.
Exit code 1: a finding is an error. Warnings alone are none.`,
		Example: `  fieldvault policy check --policy policy.cedar --catalog catalog.yaml`,
		Args:    cobra.NoArgs,
	}
	policy, cat := policyFiles(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		p, k, err := readPolicy(*policy, *cat)
		if err != nil {
			return err
		}
		d := described{k}
		findings := p.Check(d.all(), d.purposes(), nil)
		wrong, list := 0, make([]policyFinding, len(findings))
		var b strings.Builder
		for i, f := range findings {
			if f.Severity == accessctl.SeverityError {
				wrong++
			}
			list[i] = policyFinding{Severity: f.Severity, Policy: policyRef(f.Policy), Problem: f.Problem}
			fmt.Fprintf(&b, "%s: %s\n", *policy, f)
		}
		fmt.Fprintf(&b, "%d findings, %d of them errors.", len(list), wrong)
		if err := answer(c, map[string]any{"findings": list}, b.String()); err != nil {
			return err
		}
		if wrong > 0 {
			return withHint(errors.New("the policy has errors"), "correct what is named; `policy apply` refuses it")
		}
		return nil
	}
	return c
}

// An explainQuery is what policy explain is asked.
type explainQuery struct {
	policy, catalog        *string
	roles                  []string
	purpose, action, field string
	match                  string
	consent                string
	restricted             bool
	expired, own           bool
}

func policyExplain() *cobra.Command {
	var q explainQuery
	c := &cobra.Command{
		Use:   "explain",
		Short: "Say why a role sees a field so, naming the policy; no store is needed",
		Long: `Says what a caller in these roles would see of a field, or whether another action
is permitted, and which policies and embedded rules decide it. The person's state
is what the flags say: nobody is looked up, and nothing is opened.`,
		Example: `  fieldvault policy explain --role support --purpose support --field customer.email
  fieldvault policy explain --role dpo --action erase`,
		Args: cobra.NoArgs,
	}
	q.policy, q.catalog = policyFiles(c)
	f := c.Flags()
	f.StringSliceVar(&q.roles, "role", nil, "role of the caller (repeat for more; required)")
	f.StringVar(&q.purpose, "purpose", "", "purpose of the request")
	f.StringVar(&q.action, "action", string(accessctl.ActionReveal), "what is asked for, as policies name it")
	f.StringVar(&q.field, "field", "", "collection.field, for actions on a field")
	f.StringVar(&q.match, "match", "", "of the action search: equals, prefix, contains or range")
	f.StringVar(&q.consent, "consent", "none", "the person's consent: none, granted, refused, withdrawn, expired")
	f.BoolVar(&q.restricted, "restricted", false, "processing is restricted")
	f.BoolVar(&q.expired, "expired", false, "the value has outlived its retention")
	f.BoolVar(&q.own, "own", false, "the caller is the person")
	c.RunE = func(c *cobra.Command, _ []string) error {
		e, err := q.explain()
		if err != nil {
			return err
		}
		return answer(c, explanationOf(e), strings.TrimRight(e.String(), "\n"))
	}
	return c
}

func (q *explainQuery) explain() (accessctl.Explanation, error) {
	action := accessctl.Action(q.action)
	state := accessctl.State{Restricted: q.restricted, Expired: q.expired, Own: q.own}
	switch {
	case len(q.roles) == 0:
		return accessctl.Explanation{}, wrongUsage("--role is required")
	case !slices.Contains(accessctl.Actions(), action):
		return accessctl.Explanation{}, wrongUsage("--action must be one of %s", words(accessctl.Actions()))
	case q.match != "" && (action != accessctl.ActionSearch || !slices.Contains(accessctl.Matches(), accessctl.Match(q.match))):
		return accessctl.Explanation{}, wrongUsage("--match is for --action search, and one of %s", words(accessctl.Matches()))
	case state.Consent.UnmarshalText([]byte(q.consent)) != nil:
		return accessctl.Explanation{}, wrongUsage("--consent must be none, granted, refused, withdrawn or expired")
	}
	p, k, err := readPolicy(*q.policy, *q.catalog)
	if err != nil {
		return accessctl.Explanation{}, err
	}
	d := described{k}
	collection, name, _ := strings.Cut(q.field, ".")
	f, ok := d.Field(collection, name, accessctl.Purpose(q.purpose))
	if !ok && action.OnField() {
		return accessctl.Explanation{}, wrongUsage("--field must name a field of the catalog, as collection.field")
	}
	decider := p.For(explained(q.roles, q.purpose), d.Purpose(accessctl.Purpose(q.purpose)))
	if action == accessctl.ActionReveal {
		return decider.Explain(f, state), nil
	}
	if q.match != "" {
		return decider.ExplainSearch(accessctl.Match(q.match), f, state), nil
	}
	return decider.ExplainPermit(action, f, state), nil
}

func words[T ~string](list []T) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return strings.Join(out, ", ")
}

// explained is a caller who is only imagined.
func explained(roles []string, purpose string) accessctl.Caller {
	c := accessctl.Caller{
		Principal: accessctl.Principal{Tenant: "default", Issuer: "explain", Subject: "explain"},
		Purpose:   accessctl.Purpose(purpose),
	}
	for _, r := range roles {
		c.Roles = append(c.Roles, accessctl.Role(r))
		if accessctl.Role(r) == accessctl.RoleSubject {
			c.Person = "explain"
		}
	}
	return c
}

// An expectation is one line of a policy test file.
type expectation struct {
	Roles      []string `yaml:"roles"`
	Purpose    string   `yaml:"purpose"`
	Action     string   `yaml:"action"`
	Field      string   `yaml:"field"`
	Match      string   `yaml:"match"`
	Consent    string   `yaml:"consent"`
	Restricted bool     `yaml:"restricted"`
	Expired    bool     `yaml:"expired"`
	Own        bool     `yaml:"own"`
	Want       string   `yaml:"want"`
	Reason     string   `yaml:"reason"`
}

func (e expectation) parse() (accessctl.Expectation, error) {
	collection, name, _ := strings.Cut(e.Field, ".")
	x := accessctl.Expectation{
		Purpose: accessctl.Purpose(e.Purpose), Action: accessctl.Action(e.Action), Collection: collection, Field: name, Match: accessctl.Match(e.Match),
		Restricted: e.Restricted, Expired: e.Expired, Own: e.Own, Want: e.Want, Reason: accessctl.Reason(e.Reason),
	}
	for _, r := range e.Roles {
		x.Roles = append(x.Roles, accessctl.Role(r))
	}
	if e.Consent == "" {
		return x, nil
	}
	return x, x.Consent.UnmarshalText([]byte(e.Consent))
}

func policyTest() *cobra.Command {
	c := &cobra.Command{
		Use:   "test FILE",
		Short: "Check a policy against a file of expectations; no store is needed",
		Long: `Checks that the policy answers as FILE expects; deploy/sample/README.md describes
the format. An expectation that makes no sense fails.`,
		Example: `  fieldvault policy test policy_test.yaml --policy policy.cedar --catalog catalog.yaml`,
		Args:    cobra.ExactArgs(1),
	}
	policy, cat := policyFiles(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		p, k, err := readPolicy(*policy, *cat)
		if err != nil {
			return err
		}
		list, err := readExpectations(args[0])
		if err != nil {
			return err
		}
		failures := p.Test(list, described{k})
		var b strings.Builder
		out := make([]testFailure, len(failures))
		for i, f := range failures {
			out[i] = testFailure{Expectation: f.Index + 1, Problem: f.Problem, Policies: append([]string{}, f.Policies...)}
			by := ""
			if len(f.Policies) > 0 {
				by = " (by " + strings.Join(f.Policies, ", ") + ")"
			}
			fmt.Fprintf(&b, "%s: expectation %d: %s%s\n", args[0], f.Index+1, f.Problem, by)
		}
		fmt.Fprintf(&b, "%d passed, %d failed", len(list)-len(failures), len(failures))
		if err := answer(c, map[string]any{"passed": len(list) - len(failures), "failures": out}, b.String()); err != nil {
			return err
		}
		if len(failures) > 0 {
			return withHint(errors.New("the policy does not answer as expected"), "`fieldvault policy explain` says why")
		}
		return nil
	}
	return c
}

func readExpectations(path string) ([]accessctl.Expectation, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the expectations: %w", err)
	}
	var raw []expectation
	if err := yaml.UnmarshalWithOptions(text, &raw, yaml.Strict()); err != nil {
		return nil, withHint(fmt.Errorf("%s: %s", path, yaml.FormatError(err, false, false)), "deploy/sample/README.md describes the format")
	}
	list := make([]accessctl.Expectation, len(raw))
	for i, e := range raw {
		if list[i], err = e.parse(); err != nil {
			return nil, fmt.Errorf("%s: expectation %d: %w", path, i+1, err)
		}
	}
	if len(list) == 0 {
		return nil, withHint(errors.New("the file expects nothing"), "deploy/sample/policy_test.yaml is an example")
	}
	return list, nil
}
