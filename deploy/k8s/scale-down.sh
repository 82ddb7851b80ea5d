#!/usr/bin/env bash
# Takes partition services away, the last ones first: drains each, makes sure that it holds nothing,
# and only then lets the StatefulSet have fewer replicas. May be run again wherever it stopped.
set -euo pipefail

if [ $# -ne 2 ] || ! [[ $2 =~ ^[1-9][0-9]*$ ]]; then
  echo "usage: $0 NAMESPACE REPLICAS    (how many partition services are to stay)" >&2
  exit 2
fi
namespace=$1
replicas=$2

kube() { kubectl --namespace "$namespace" "$@"; }
# A gateway knows where the metadata service is: from its settings.
ring() { kube exec statefulset/gateway --container gateway -- ringlog ring "$@"; }
of_partition() { kube get statefulset partition --output "jsonpath={$1}"; }

now=$(of_partition .spec.replicas)
generation=$(of_partition .metadata.generation)
if [ "$now" -le "$replicas" ]; then
  echo "there are $now partition services; nothing to do" >&2
  exit 0
fi

for ((ordinal = now - 1; ordinal >= replicas; ordinal--)); do
  ring drain "partition-$ordinal" --wait
done
for ((ordinal = now - 1; ordinal >= replicas; ordinal--)); do
  ring status --require-drained "partition-$ordinal"
done

# The guard (base/scale-down-guard.yaml) takes this for exactly this step: whoever changed the
# StatefulSet meanwhile is noticed.
kube patch statefulset partition --type merge --patch "$(
  printf '{"metadata":{"annotations":{"ringlog/drained":"generation=%s replicas=%s"}},"spec":{"replicas":%s}}' \
    "$generation" "$replicas" "$replicas"
)"

# Forgotten, each is a new member where it is wanted again one day; until then it stays drained.
for ((ordinal = now - 1; ordinal >= replicas; ordinal--)); do
  kube wait --for=delete "pod/partition-$ordinal" --timeout=120s
  for ((attempt = 0; attempt < 30; attempt++)); do
    if ring remove "partition-$ordinal"; then continue 2; fi
    sleep 1
  done
  echo "partition-$ordinal holds nothing and is gone, but still known: ringlog ring remove" >&2
  exit 1
done
