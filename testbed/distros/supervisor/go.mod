module rcm-node.test/supervisor

go 1.21.0

require (
	dario.cat/mergo v1.0.1
	github.com/fsnotify/fsnotify v1.7.0
	github.com/pelletier/go-toml/v2 v2.2.3
)

require golang.org/x/sys v0.4.0 // indirect
