import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { type Config, parseConfig } from '../../src/platform/config.ts'
import { type Manifest, readManifests } from './kubernetes-schemas.ts'

interface Probe {
  httpGet: { path: string; port: string }
  periodSeconds: number
  failureThreshold: number
}

interface Container {
  name: string
  image: string
  command: string[]
  envFrom: { configMapRef: { name: string } }[]
  env: { name: string; value?: string; valueFrom?: { secretKeyRef: { name: string; key: string } } }[]
  ports?: { name: string; containerPort: number }[]
  /** of Deployments only */
  lifecycle?: { preStop: { sleep: { seconds: number } } }
  startupProbe: Probe
  livenessProbe: Probe
  readinessProbe: Probe
}

export interface Workload extends Manifest {
  spec: {
    replicas?: number
    strategy?: { rollingUpdate: { maxSurge: number } }
    template: {
      metadata: { labels: Record<string, string> }
      spec: {
        terminationGracePeriodSeconds: number
        securityContext: { runAsNonRoot: boolean; runAsUser: number }
        containers: [Container]
        volumes: { secret?: { secretName: string } }[]
      }
    }
  }
}

/** A role of the database that CloudNativePG manages. */
interface Role {
  name: string
  login: boolean
  inRoles?: string[]
  passwordSecret?: { name: string }
}

/** A manifest of another kind, with the properties of all kinds that the tests read. */
interface Found extends Manifest {
  data: Record<string, string>
  spec: {
    selector: { matchLabels: object }
    maxReplicas: number
    postgresql: { parameters: Record<string, string> }
    managed: { roles: Role[] }
  }
}

export const files = readManifests()
const manifests = [...files.values()].flat()
export const find = (kind: string, name: string) =>
  manifests.find(each => each.kind === kind && each.metadata.name === name) as Found | undefined
export const workloads = manifests.filter(({ kind }) => kind === 'Deployment' || kind === 'Job') as Workload[]
export const deployments = workloads.filter(({ kind }) => kind === 'Deployment')
export const secrets = manifests.filter(({ kind }) => kind === 'Secret') as (Manifest & {
  stringData: Record<string, string>
})[]
export const cluster = find('Cluster', 'comanda-postgres')?.spec
export const roles = cluster?.managed.roles ?? []
export const containerOf = (workload: Workload) => workload.spec.template.spec.containers[0]
export const portOf = (container: Container, name: string) =>
  container.ports?.find(port => port.name === name)?.containerPort

/** Returns the environment of a container. Passwords are those of the placeholders. */
export function environmentOf(workload: Workload): Record<string, string> {
  const { env, envFrom } = containerOf(workload)
  const shared = envFrom.map(({ configMapRef: { name } }) => find('ConfigMap', name))
  const own = env.map(({ name, value = 'from a Secret' }) => [name, value])
  return { ...Object.assign({}, ...shared.map(map => map?.data)), ...Object.fromEntries(own) }
}

const PATCH = join(import.meta.dirname, '../../deploy/kubernetes/patches/api-operations.yaml')

/** Returns the Deployment of the API with the patch for changes of operators. */
export function apiWithOperations(): Workload {
  const api = structuredClone(find('Deployment', 'comanda-api')) as unknown as Workload
  const { spec } = parse(readFileSync(PATCH, 'utf8')) as Pick<Workload, 'spec'>
  const [patch] = spec.template.spec.containers
  // As a strategic merge patch: the names of variables are the keys of the list.
  const names = new Set(patch.env.map(({ name }) => name))
  const container = containerOf(api)
  container.env = [...container.env.filter(({ name }) => !names.has(name)), ...patch.env]
  return api
}
export const configOf = (workload: Workload): Config => parseConfig(environmentOf(workload))
