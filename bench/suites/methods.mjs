export { measure } from './call.mjs'

export const order = 9
export const competitors = ['ours', 'ours-with-schema', 'ours-watched']

export async function run({ quick, compare, peers }) {
  return compare({
    title: 'Methods: a call of a method with schemas, and one that is watched, beside a bare one',
    notes: ['between two agents of this package; the schemas are of zod, for payload and answer'],
    metrics: [
      { key: 'p50', label: 'p50', unit: 'µs', better: 'less' },
      { key: 'p99', label: 'p99', unit: 'µs', better: 'less' },
      { key: 'cpu', label: 'CPU', unit: 'µs', better: 'less' },
    ],
    peers,
    count: quick ? 3 : 9,
    params: () => ({ milliseconds: quick ? 150 : 500 }),
  })
}
