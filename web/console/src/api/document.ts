/** An operation of the API: its name and text, and what it takes and gives. */
export interface Document<Data, Variables> {
  readonly name: string;
  readonly text: string;
  readonly types?: (variables: Variables) => Data;
}
