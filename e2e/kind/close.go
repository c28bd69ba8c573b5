package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/pinlab/pinlab/e2e/agent"
)

// Close ends what Open has made, or gives the node back as it was found. With
// failed the logs of the cluster are kept first.
func (k *Kind) Close(failed bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	var errs []error
	if failed && (k.claim != nil || k.touched) {
		errs = append(errs, k.keepLogs())
	}
	if k.claim == nil && k.touched {
		errs = append(errs, k.giveBack(ctx))
	}
	k.closeLink()
	if k.pods != nil {
		k.pods.close()
		k.pods = nil
	}
	if k.claim != nil {
		errs = append(errs, k.end())
	}
	k.claim, k.sole, k.name, k.touched = nil, nil, "", false
	return errors.Join(errs...)
}

// end deletes the cluster that was made, or leaves it to the user.
func (k *Kind) end() error {
	if k.opts.Retain && k.sole != nil {
		k.say("cluster %s is kept; 'kind export kubeconfig --name %s' leads kubectl to it, 'kind delete cluster --name %s' ends it", k.name, k.name, k.name)
		return k.claim.release(k.opts.Dir)
	}
	if err := k.provider.Delete(k.name, kubeconfigFile(k.opts.Dir, k.name)); err != nil {
		// The claim stays: the next start tries again.
		return errors.Join(fmt.Errorf("delete cluster %s: %w", k.name, explain(err)), k.claim.file.Close())
	}
	return k.claim.release(k.opts.Dir)
}

// giveBack leaves a cluster of somebody's as it was found.
func (k *Kind) giveBack(ctx context.Context) error {
	if k.link == nil || k.link.gone() {
		k.closeLink()
		if err := k.start(ctx); err != nil {
			return fmt.Errorf("give back node %s: %w", k.sole, err)
		}
	}
	var errs []error
	if k.pods != nil {
		errs = append(errs, (&caller{k.link, k.pods}).Call(ctx, "Wipe", agent.None{}, &agent.None{}), k.pods.removeNamespaces(ctx))
	}
	errs = append(errs, k.link.Call(ctx, "GiveBack", agent.None{}, &agent.None{}))
	k.closeLink()
	if err := k.sole.CommandContext(ctx, "rm", "-f", binaryInNode).Run(); err != nil {
		errs = append(errs, explain(err))
	}
	return errors.Join(errs...)
}

// keepLogs keeps what kind collects of a cluster. Where nothing can be collected
// there is nothing to keep.
func (k *Kind) keepLogs() error {
	if there, err := k.provider.ListNodes(k.name); err != nil || len(there) == 0 {
		return nil
	}
	dir, err := os.MkdirTemp(k.opts.Dir, "logs-"+strings.TrimPrefix(k.name, namePrefix)+"-")
	if err != nil {
		return err
	}
	if err := k.provider.CollectLogs(k.name, dir); err != nil {
		if left, readErr := os.ReadDir(dir); readErr == nil && len(left) == 0 {
			return os.Remove(dir)
		}
		k.say("not all logs could be collected: %v", explain(err))
	}
	k.say("the logs of cluster %s are in %s", k.name, dir)
	return nil
}
