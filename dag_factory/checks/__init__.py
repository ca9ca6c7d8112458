"""What one model cannot see: how nodes, names, texts and files of a flow fit together."""
