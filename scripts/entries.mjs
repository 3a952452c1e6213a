// What can be imported: ts/<entry>.ts each, the first under the package's own name, the others as sub-paths of it.
export const entries = ['index', 'tokens', 'messages', 'http', 'record']
