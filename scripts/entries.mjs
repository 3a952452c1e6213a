// What can be imported: ts/<entry>.ts each, the first under the package's own name, the others as sub-paths of it.
export const entries = [
  'index',
  'tokens',
  'messages',
  'http',
  'express',
  'fastify',
  'hono',
  'record',
  'nats',
  'gateway',
]

/** From whose files an entry takes what it has in common with them. */
export const basesOf = (entry) => {
  if (entry === 'index') return []
  return ['express', 'fastify', 'hono'].includes(entry) ? ['index', 'http'] : ['index']
}

/** What can be run: ts/<program>.ts each, with what it has in common with the first entry taken from there. */
export const programs = ['cli']
