import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { temporaryFolder } from '../support/temporary-folder.ts'
import {
  type AlertCase,
  alertCases,
  optionalSeries,
  quiet,
  type Series,
  silentFaults,
} from './alert-cases.ts'

/**
 * Minutes after which a fault is judged a second time; every alert that it causes fires by then.
 */
const LATE = 45

interface AlertRule {
  alert: string
  annotations: Record<string, string>
}

/** Reads the alert rules of a Prometheus rule file. */
export function readRules(rules: string): AlertRule[] {
  const { groups } = parse(rules) as { groups: { rules: AlertRule[] }[] }
  return groups.flatMap(group => group.rules)
}

export const hasPromtool = spawnSync('promtool', ['--version']).error === undefined

/**
 * Runs cases of `alert-cases.ts` against alert rules with `promtool test rules`.
 * @param alert whose cases run (default: all cases, and those in which no alert fires)
 * @returns the exit status, 0 when every case behaves as written, and the output
 */
export function testRules(rules: string, alert?: string): { status: number | null; output: string } {
  const folder = temporaryFolder()
  try {
    writeFileSync(join(folder, 'alerts.yml'), rules)
    const file = join(folder, 'alerts.test.yml')
    // JSON is YAML.
    writeFileSync(file, JSON.stringify(promtoolFile(readRules(rules), alert), null, 2))
    const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', file], { encoding: 'utf8' })
    return { status, output: stdout + stderr }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function promtoolFile(rules: AlertRule[], alert?: string) {
  const isOptional = new Set(optionalSeries)
  const small = Object.fromEntries(Object.entries(quiet).filter(([name]) => !isOptional.has(name)))
  const silent = { ...silentFaults, 'a quiet system': {} }
  const withoutAlert = [
    promtoolTest('a quiet system without webhooks and streams', small, expectations(rules, LATE)),
    ...Object.entries(silent).map(([name, series]) =>
      promtoolTest(name, { ...quiet, ...series }, expectations(rules, LATE)),
    ),
  ]
  const cases = alertCases.filter(each => alert === undefined || each.alert === alert)
  return {
    rule_files: ['alerts.yml'],
    evaluation_interval: '1m',
    tests: [...(alert === undefined ? withoutAlert : []), ...cases.flatMap(each => caseTests(rules, each))],
  }
}

function caseTests(rules: AlertRule[], each: AlertCase) {
  const { alert, cause, fault, tolerated, trueAfter = 0, holds } = each
  const name = cause ? `${alert}: ${cause}` : alert
  const firesAt = trueAfter + holds
  const tests = [
    promtoolTest(name, { ...quiet, ...fault }, [
      ...(firesAt > 0 ? expectations(rules, firesAt - 1) : []),
      ...expectations(rules, firesAt, each),
      ...expectations(rules, LATE, each),
    ]),
  ]
  if (tolerated)
    tests.push(
      promtoolTest(`${name}: at the threshold`, { ...quiet, ...tolerated }, expectations(rules, LATE)),
    )
  return tests
}

function promtoolTest(name: string, series: Series, alert_rule_test: object[]) {
  const input_series = Object.entries(series).map(([name, values]) => ({ series: name, values }))
  return { name, interval: '1m', input_series, alert_rule_test }
}

/** Expects that one alert fires at a minute, or none, and that no other does. */
function expectations(rules: AlertRule[], minute: number, firing?: AlertCase): object[] {
  return rules.map(({ alert, annotations }) => ({
    eval_time: `${minute}m`,
    alertname: alert,
    exp_alerts: alert === firing?.alert ? [{ exp_labels: firing.labels, exp_annotations: annotations }] : [],
  }))
}
