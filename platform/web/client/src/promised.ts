/** A promise, and how to keep or break it. Breaking one that nobody waits for is no error of the page. */

export interface Promised<T> {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (error: Error) => void;
}

export function promised<T>(): Promised<T> {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<T>((keep, breakIt) => {
    resolve = keep;
    reject = breakIt;
  });
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}
