package main

import "github.com/spf13/cobra"

func newExplain() *cobra.Command { return &cobra.Command{Use: "explain", Hidden: true} }
