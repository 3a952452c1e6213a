export declare const entries: string[]
export declare const basesOf: (entry: string) => readonly string[]
export declare const programs: readonly string[]
