package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// group makes a command that only has sub-commands.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(subs...)
	return c
}

func newCatalog(w world) *cobra.Command {
	apply := &cobra.Command{
		Use:   "apply FILE",
		Short: "Make FILE the tenant's catalog, and say what changes for people",
		Args:  cobra.ExactArgs(1),
	}
	configFlags(apply)
	apply.RunE = func(c *cobra.Command, args []string) error { return applyCatalog(c, w, args[0], false) }
	diff := &cobra.Command{
		Use:   "diff FILE",
		Short: "Say what applying FILE would change for people, without applying it",
		Args:  cobra.ExactArgs(1),
	}
	configFlags(diff)
	diff.RunE = func(c *cobra.Command, args []string) error { return applyCatalog(c, w, args[0], true) }
	check := &cobra.Command{
		Use:   "check FILE",
		Short: "Check FILE without a store: every problem, by line",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := readCatalog(args[0]); err != nil {
				return err
			}
			return answer(c, map[string]bool{"valid": true}, "The catalog is valid.")
		},
	}
	return group("catalog", "Apply, compare and check catalogs: what is collected, and why", apply, diff, check)
}

func applyCatalog(c *cobra.Command, w world, path string, dry bool) error {
	cfg, err := loadConfig(c, w)
	if err != nil {
		return err
	}
	source, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the catalog: %w", err)
	}
	return withParts(c.Context(), w, cfg, func(p *parts) error {
		version, changes, err := p.vault.ApplyCatalog(c.Context(), operator(cfg.Tenant, "operator"), source, dry)
		if err != nil {
			return err
		}
		var b strings.Builder
		for _, ch := range changes {
			mark := ""
			if ch.Widens {
				mark = " (people's data are used for more: they must be told)"
			}
			fmt.Fprintf(&b, "%s: %s%s\n", ch.Path, ch.Text, mark)
		}
		fmt.Fprintf(&b, "%d changes; the catalog in force is version %d.", len(changes), version)
		return answer(c, map[string]any{"version": version, "changes": changes, "applied": !dry}, b.String())
	})
}

func readCatalog(path string) (*catalog.Catalog, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the catalog: %w", err)
	}
	cat, err := catalog.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return cat.Assign(nil)
}

func newPolicy(w world) *cobra.Command {
	apply := &cobra.Command{Use: "apply FILE", Short: "Make FILE the tenant's policy", Args: cobra.ExactArgs(1)}
	configFlags(apply)
	apply.RunE = func(c *cobra.Command, args []string) error { return applyPolicy(c, w, args[0]) }
	return group("policy", "Apply, check, explain and test policies: who may see what, in Cedar",
		apply, policyCheck(), policyExplain(), policyTest())
}

func applyPolicy(c *cobra.Command, w world, path string) error {
	cfg, err := loadConfig(c, w)
	if err != nil {
		return err
	}
	source, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the policy: %w", err)
	}
	return withParts(c.Context(), w, cfg, func(p *parts) error {
		version, findings, err := p.vault.ApplyPolicy(c.Context(), operator(cfg.Tenant, "operator"), source, false)
		for _, f := range findings {
			fmt.Fprintf(w.stderr, "%s: %s\n", path, f)
		}
		if err != nil {
			return err
		}
		return answer(c, map[string]int64{"version": version}, fmt.Sprintf("The policy in force is version %d.", version))
	})
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
		return nil, nil, fmt.Errorf("reading the policy: %w", err)
	}
	p, err := accessctl.ParsePolicy(1, text)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", policyPath, err)
	}
	cat, err := readCatalog(catalogPath)
	return p, cat, err
}

func policyCheck() *cobra.Command {
	c := &cobra.Command{
		Use:   "check",
		Short: "Find what is wrong with a policy, given a catalog; no store is needed",
		Args:  cobra.NoArgs,
	}
	policy, cat := policyFiles(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		p, k, err := readPolicy(*policy, *cat)
		if err != nil {
			return err
		}
		d := described{k}
		findings := p.Check(d.all(), d.purposes(), nil)
		failed := false
		var b strings.Builder
		for _, f := range findings {
			failed = failed || f.Severity == accessctl.SeverityError
			fmt.Fprintf(&b, "%s: %s\n", *policy, f)
		}
		fmt.Fprintf(&b, "%d findings.", len(findings))
		if err := answer(c, map[string]any{"findings": findings}, b.String()); err != nil {
			return err
		}
		if failed {
			return errFailed
		}
		return nil
	}
	return c
}

func policyExplain() *cobra.Command {
	c := &cobra.Command{
		Use:   "explain",
		Short: "Say why a role sees a field so, naming the policy; no store is needed",
		Args:  cobra.NoArgs,
	}
	policy, cat := policyFiles(c)
	roles := c.Flags().StringSlice("role", nil, "role of the caller (repeat for more)")
	purpose := c.Flags().String("purpose", "", "purpose of the request")
	fieldName := c.Flags().String("field", "", "collection.field")
	consentIs := c.Flags().String("consent", "none", "the person's consent: none, granted, refused, withdrawn, expired")
	restricted := c.Flags().Bool("restricted", false, "processing is restricted")
	expired := c.Flags().Bool("expired", false, "the value has outlived its retention")
	own := c.Flags().Bool("own", false, "the caller is the person")
	c.RunE = func(c *cobra.Command, _ []string) error {
		p, k, err := readPolicy(*policy, *cat)
		if err != nil {
			return err
		}
		d := described{k}
		collection, name, _ := strings.Cut(*fieldName, ".")
		f, ok := d.Field(collection, name, accessctl.Purpose(*purpose))
		if !ok {
			return &usageError{errors.New("--field must name a field of the catalog, as collection.field")}
		}
		state := accessctl.State{Restricted: *restricted, Expired: *expired, Own: *own}
		if err := state.Consent.UnmarshalText([]byte(*consentIs)); err != nil {
			return &usageError{errors.New("--consent must be none, granted, refused, withdrawn or expired")}
		}
		e := p.For(explained(*roles, *purpose), d.Purpose(accessctl.Purpose(*purpose))).Explain(f, state)
		return answer(c, e, strings.TrimRight(e.String(), "\n"))
	}
	return c
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
		Purpose: accessctl.Purpose(e.Purpose), Action: accessctl.Action(e.Action), Collection: collection, Field: name,
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
		Long:  "Checks that the policy answers as FILE expects; deploy/sample/README.md describes the format.",
		Args:  cobra.ExactArgs(1),
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
		for _, f := range failures {
			fmt.Fprintf(&b, "%s: expectation %d: %s %s\n", args[0], f.Index+1, f.Problem, strings.Join(f.Policies, ", "))
		}
		fmt.Fprintf(&b, "%d passed, %d failed", len(list)-len(failures), len(failures))
		if err := answer(c, map[string]any{"passed": len(list) - len(failures), "failures": failures}, b.String()); err != nil {
			return err
		}
		if len(failures) > 0 {
			return errFailed
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
		return nil, fmt.Errorf("%s: %s", path, yaml.FormatError(err, false, true))
	}
	list := make([]accessctl.Expectation, len(raw))
	for i, e := range raw {
		if list[i], err = e.parse(); err != nil {
			return nil, fmt.Errorf("%s: expectation %d: %w", path, i+1, err)
		}
	}
	if len(list) == 0 {
		return nil, errors.New("the file expects nothing")
	}
	return list, nil
}

// described lets policies look at a catalog.
type described struct{ *catalog.Catalog }

// Field describes a field as it is seen under the purpose.
func (d described) Field(collection, name string, p accessctl.Purpose) (accessctl.Field, bool) {
	c, ok := d.Collection(collection)
	if !ok {
		return accessctl.Field{}, false
	}
	f, ok := c.Field(name)
	if !ok {
		return accessctl.Field{}, false
	}
	return accessctl.Field{Collection: collection, Name: name, Classification: f.Classification, Listed: f.Lists(string(p))}, true
}

// Purpose describes a purpose.
func (d described) Purpose(id accessctl.Purpose) accessctl.PurposeFacts {
	if id == accessctl.PurposeSelf {
		return accessctl.PurposeFacts{Known: true}
	}
	p, ok := d.Catalog.Purpose(string(id))
	if !ok {
		return accessctl.PurposeFacts{}
	}
	return accessctl.PurposeFacts{Known: true, Basis: accessctl.Basis(p.Basis), DespiteRestriction: p.DespiteRestriction}
}

func (d described) all() (list []accessctl.Field) {
	for i := range d.Collections {
		for j := range d.Collections[i].Fields {
			f, _ := d.Field(d.Collections[i].Name, d.Collections[i].Fields[j].Name, "")
			list = append(list, f)
		}
	}
	return list
}

func (d described) purposes() (list []accessctl.Purpose) {
	for i := range d.Purposes {
		list = append(list, accessctl.Purpose(d.Purposes[i].ID))
	}
	return list
}
