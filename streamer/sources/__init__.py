"""Where frames come from: files, cameras, networks, webcams, folders."""
