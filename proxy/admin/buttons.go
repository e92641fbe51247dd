package admin

// buttons are the actions that those who see the page may have done.
type buttons []Action

// buttonView is a button: it asks for an action with the parameter node.
type buttonView struct {
	Action, Label, Confirm, Node string
}

// newButtons are all actions where a token is set: who sees the page then has it. Without one the page is for reading.
func newButtons(o *Options) buttons {
	if o.Token == "" {
		return nil
	}
	return o.Actions
}

// onNode gives the buttons of a node.
func (all buttons) onNode(n *NodeRow) []buttonView {
	var out []buttonView
	for i := range all {
		if a := &all[i]; a.OnNode != nil && a.OnNode(n) {
			out = append(out, buttonView{Action: a.Name, Label: a.Label, Confirm: a.Confirm, Node: n.ID})
		}
	}
	return out
}

// onBackend gives the buttons of a backend.
func (all buttons) onBackend(p *WebPool, b *WebBackend) []buttonView {
	var out []buttonView
	for i := range all {
		a := &all[i]
		if a.OnBackend == nil {
			continue
		}
		if confirm, ok := a.OnBackend(p, b); ok {
			out = append(out, buttonView{Action: a.Name, Label: a.Label, Confirm: confirm, Node: b.key(p)})
		}
	}
	return out
}
