#!/usr/bin/env bash
# Compiles kube-apiserver VERSION (1.36.3, say) of Kubernetes' Go modules, for test_api_server.py: as FOLDER/kube-apiserver.
set -euo pipefail

if [ $# -ne 2 ]; then
  echo "usage: $0 VERSION FOLDER" >&2
  exit 2
fi
version=$1
mkdir -p "$2"
cd "$2"

printf 'module apiserver\n\ngo 1.24\n' >go.mod
printf '//go:build tools\n\npackage apiserver\n\nimport _ "k8s.io/kubernetes/cmd/kube-apiserver"\n' >tools.go
# The go.mod of Kubernetes takes k8s.io/api and its other parts from its own folders, which are no part
# of the module. Each is published as a module of its own, 1.36.3 as v0.36.3.
theirs=$(go mod download -json "k8s.io/kubernetes@v$version" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p')
sed -n 's,.*\(k8s.io/[a-z-]*\) => ./staging/.*,replace \1 => \1 v0.'"${version#*.}"',p' "$theirs" >>go.mod
printf 'require k8s.io/kubernetes v%s\n' "$version" >>go.mod
go mod tidy
package=k8s.io/component-base/version
go build -o kube-apiserver -ldflags "-X $package.gitVersion=v$version -X $package.gitMajor=${version%%.*} \
  -X $package.gitMinor=$(cut -d. -f2 <<<"$version")" k8s.io/kubernetes/cmd/kube-apiserver
echo "KUBE_APISERVER=$PWD/kube-apiserver"
