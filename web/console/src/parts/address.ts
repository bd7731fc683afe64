/** Changes of a view in its address, in place: going back leaves the page, not the filter. */
import { useNavigate } from '@tanstack/react-router';

export function useChange<Search extends object>(): (change: Partial<Search>) => void {
  const navigate = useNavigate();
  return (change) =>
    void navigate({
      to: '.',
      search: ((before: Record<string, unknown>) => ({ ...before, ...change })) as never,
      replace: true,
    });
}
