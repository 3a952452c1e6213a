import { halved } from '../check'
import { failure } from '../errors'
import type { Failure } from '../native/binding'
import type { GatewayConfig } from './config'

/** A configuration as JSON, a member a line; or why it is none. Nothing of it is left out silently. */
export function textOf(config: GatewayConfig): string | Failure {
  let wrong: string | undefined
  const plain = (name: string, value: unknown): unknown => {
    if (typeof value === 'string') wrong ??= halved(value, name)?.message
    const isPlain = Array.isArray(value) || Object.prototype.toString.call(value) === '[object Object]'
    if (typeof value === 'object' && (value === null || isPlain)) return value
    if (['string', 'number', 'boolean'].includes(typeof value)) return value
    wrong ??= `${name} is ${typeof value === 'object' ? 'no plain object' : value === undefined ? 'undefined' : `a ${typeof value}`}`
    return null
  }
  try {
    const text = JSON.stringify(config, plain, 1) as string | undefined
    return wrong === undefined && text !== undefined ? text : failure('INVALID_CONFIG', wrong ?? 'it says nothing')
  } catch (error) {
    return failure('INVALID_CONFIG', `the configuration cannot be written as JSON: ${String(error)}`)
  }
}

const AT = / at line (\d+) column \d+$/

/** The same message, with the names that lead to what it is about in the place of a line. */
export function placeOf(message: string, text: string): string {
  const said = message.replace(/^stdin: /, '')
  const line = AT.exec(said)?.[1]
  if (line === undefined) return said
  const lines = text.split('\n').slice(0, Number(line)).toReversed()
  const names: string[] = []
  let within = Number.POSITIVE_INFINITY
  for (const [place, each] of lines.entries()) {
    const [, indent = '', name] = /^( *)(?:"((?:[^"\\]|\\.)*)": )?/.exec(each) ?? []
    // Whatever misses something is named where it ends.
    const depth = place === 0 && /^ *[}\]]/.test(each) ? indent.length + 1 : indent.length
    if (depth >= within) continue
    within = depth
    if (name !== undefined) names.unshift(name)
  }
  return [...names, said.replace(AT, '')].join(': ')
}
