import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Cluster } from '@kubernetes-models/cloudnative-pg/postgresql.cnpg.io/v1'
import { ServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1'
import { Deployment } from 'kubernetes-models/apps/v1'
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2'
import { Job } from 'kubernetes-models/batch/v1'
import { Ingress, NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1'
import { ConfigMap, Pod, Secret, Service } from 'kubernetes-models/v1'
import { parseAllDocuments } from 'yaml'

const FOLDER = join(import.meta.dirname, '..', '..', 'deploy', 'kubernetes')

/** A manifest of deploy/kubernetes that a test has found by its kind. */
export interface Manifest {
  kind: string
  apiVersion: string
  metadata: { name: string; labels?: Record<string, string> }
}

/** The models that have the schemas which Kubernetes and the operators publish. */
const models = {
  Cluster,
  ConfigMap,
  Deployment,
  HorizontalPodAutoscaler,
  Ingress,
  Job,
  NetworkPolicy,
  Pod,
  PodDisruptionBudget,
  Secret,
  Service,
  ServiceMonitor,
}

/** Returns the manifests of each file of deploy/kubernetes. */
export function readManifests(): Map<string, Manifest[]> {
  const files = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter(
    file => file.endsWith('.yaml') && !file.startsWith('patches/'),
  )
  return new Map(
    files.map(file => {
      const documents = parseAllDocuments(readFileSync(join(FOLDER, file), 'utf8'))
      return [file, documents.map(document => document.toJS() as Manifest)]
    }),
  )
}

/**
 * Returns what is wrong with a manifest: violations of the schema, and properties that the schema
 * does not have, which Kubernetes would ignore or reject.
 */
export function problemsOf(manifest: Manifest): string[] {
  const Model = models[manifest.kind as keyof typeof models]
  if (!Model) return [`no schema of ${manifest.kind}`]
  const unread = new Set(pathsOf(manifest))
  try {
    // The constructor would copy the manifest, and so read every property.
    Model.prototype.validate.call(recordReads(manifest, '', unread))
  } catch (error) {
    return [(error as Error).message]
  }
  return [...unread].map(path => `unknown property ${path}`)
}

/** Returns the path of each property, at any depth. */
function pathsOf(value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => [
    `${path}/${key}`,
    ...pathsOf(inner, `${path}/${key}`),
  ])
}

/** Returns a view of `value` that removes each property that is read from the paths in `unread`. */
function recordReads(value: unknown, path: string, unread: Set<string>): unknown {
  if (typeof value !== 'object' || value === null) return value
  return new Proxy(value, {
    get(target, key) {
      if (typeof key === 'symbol') return Reflect.get(target, key)
      unread.delete(`${path}/${key}`)
      return recordReads(Reflect.get(target, key), `${path}/${key}`, unread)
    },
  })
}
