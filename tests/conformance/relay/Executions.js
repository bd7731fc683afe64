// Components as a frontend with Relay has them. They are compiled, not run.

import { graphql, useLazyLoadQuery, usePaginationFragment } from 'react-relay';

export function ExecutionsPage() {
  const query = useLazyLoadQuery(
    graphql`
      query ExecutionsPageQuery($count: Int!, $cursor: String, $filter: ExecutionFilter) {
        ...Executions_query @arguments(count: $count, cursor: $cursor, filter: $filter)
        viewer {
          actor
          tenantId
        }
      }
    `,
    { count: 20 },
  );
  return Executions({ query });
}

export function Executions({ query }) {
  return usePaginationFragment(
    graphql`
      fragment Executions_query on Query
      @refetchable(queryName: "ExecutionsPaginationQuery")
      @argumentDefinitions(
        count: { type: "Int", defaultValue: 20 }
        cursor: { type: "String" }
        filter: { type: "ExecutionFilter" }
      ) {
        executions(first: $count, after: $cursor, filter: $filter, orderBy: NEWEST_FIRST)
          @connection(key: "Executions_executions", filters: ["filter"]) {
          edges {
            node {
              id
              status
              ...Events_execution
            }
          }
        }
      }
    `,
    query,
  );
}

export function Events({ execution }) {
  return usePaginationFragment(
    graphql`
      fragment Events_execution on Execution
      @refetchable(queryName: "EventsPaginationQuery")
      @argumentDefinitions(count: { type: "Int", defaultValue: 50 }, cursor: { type: "String" }) {
        events(first: $count, after: $cursor) @connection(key: "Events_events") {
          edges {
            node {
              __typename
              sequence
              type
              ... on ProgressReported {
                fraction
                message
              }
              ... on ArtifactRegistered {
                artifact {
                  ...Artifact_artifact
                }
              }
            }
          }
        }
      }
    `,
    execution,
  );
}

export function Artifact({ artifact }) {
  return usePaginationFragment(
    graphql`
      fragment Artifact_artifact on Artifact
      @refetchable(queryName: "ParentsPaginationQuery")
      @argumentDefinitions(count: { type: "Int", defaultValue: 10 }, cursor: { type: "String" }) {
        displayName
        parents(last: $count, before: $cursor) @connection(key: "Artifact_parents") {
          edges {
            node {
              id
              artifactType
            }
          }
        }
      }
    `,
    artifact,
  );
}
