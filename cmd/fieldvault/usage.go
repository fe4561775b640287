package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// settingNote marks a flag as one of the settings that many verbs share.
const settingNote = "fieldvault_setting"

// usage writes how a verb is used: its own flags first, the settings after them,
// so that the few which matter are not lost among the many.
func usage(c *cobra.Command) error {
	w := c.OutOrStdout()
	line := c.UseLine()
	if c.HasAvailableSubCommands() {
		line = c.CommandPath() + " COMMAND"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Usage:\n  %s\n", line)
	if c.HasExample() {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", c.Example)
	}
	if c.HasAvailableSubCommands() {
		b.WriteString("\nCommands:\n")
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				fmt.Fprintf(&b, "  %-*s %s\n", sub.NamePadding(), sub.Name(), sub.Short)
			}
		}
	}
	own, shared := pflag.NewFlagSet("own", pflag.ContinueOnError), pflag.NewFlagSet("settings", pflag.ContinueOnError)
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Annotations[settingNote] != nil {
			shared.AddFlag(f)
		} else {
			own.AddFlag(f)
		}
	})
	fmt.Fprintf(&b, "\nFlags:\n%s", own.FlagUsages())
	if shared.HasFlags() {
		b.WriteString("\nSettings (a flag, a variable or a key of the file, in this order):\n" + shared.FlagUsages())
		b.WriteString("\nSettings that are secret have no flag:\n" + secretUsages())
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n`%s COMMAND --help` says more of a command.\n", c.CommandPath())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// secretUsages lists the settings that are no flags.
func secretUsages() string {
	var b strings.Builder
	for _, s := range settings() {
		if s.secret {
			fmt.Fprintf(&b, "      %-41s %s (key %s)\n", s.env(), s.help, s.key)
		}
	}
	return b.String()
}
