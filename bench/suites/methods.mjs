import { latencies } from './call.mjs'

export { measure } from './call.mjs'

export const order = 9
export const competitors = ['ours', 'ours-with-schema', 'ours-watched']

export async function run({ quick, compare, peers }) {
  return compare({
    title: 'Methods: a call of a method with schemas, and one that is watched, beside a bare one',
    notes: ['between two agents of this package; the schemas are of zod, for payload and answer'],
    ...latencies({ quick, peers }),
  })
}
