// Asks the kernel, with the user's ids as this thread's effective ids, whether the planned directories can be entered, and
// whether a jail's root can be written. The session enters them again by itself, as the same user; what is found out here
// only makes the refusal come before 230, with a reason in the log.
using System;
using System.Text;
using Aotftpd.Native;

namespace Aotftpd.Workers.Auth;

/// <summary>The directories of one session as its user sees them.</summary>
internal static class DirectoryProbe
{
    /// <summary>The reason in the log for a root that its user can write.</summary>
    internal const string WritableRoot = "refusing to run with writable root inside chroot";

    /// <summary>Null with root (empty if not jailed) and start directory, or the reason.</summary>
    internal static string? Settle(DirectoryPlan plan, uint uid, uint gid, ReadOnlySpan<uint> groups, bool allowWriteable, out byte[] root, out byte[] start)
    {
        root = start = [];
        bool changeIds = Libc.geteuid() == 0;
        if (!changeIds)
        {
            return Look(plan, allowWriteable, out root, out start);
        }
        if (Libc.CurrentGroups(out uint[] own) != Errno.None)
        {
            return "getgroups: " + ErrnoText.Name(Libc.LastErrno);
        }
        string? fault = BecomeUser(uid, gid, groups);
        fault ??= Look(plan, allowWriteable, out root, out start);
        // SECURITY: back to root before anything else; a thread that can't get back must not go on as somebody else.
        if (Libc.SetResUidThisThread(-1, 0, -1) != Errno.None || Libc.SetResGidThisThread(-1, 0, -1) != Errno.None
            || Libc.SetGroupsThisThread(own) != Errno.None)
        {
            Libc._exit(1);
        }
        return fault;
    }

    private static string? BecomeUser(uint uid, uint gid, ReadOnlySpan<uint> groups)
    {
        // Leaving effective uid 0 empties the effective capabilities: from here on the user's own rights count.
        return Libc.SetGroupsThisThread(groups) == Errno.None
            && Libc.SetResGidThisThread(-1, gid, -1) == Errno.None
            && Libc.SetResUidThisThread(-1, uid, -1) == Errno.None ? null : "becoming the user: " + ErrnoText.Name(Libc.LastErrno);
    }

    private static string? Look(DirectoryPlan plan, bool allowWriteable, out byte[] root, out byte[] start)
    {
        root = [];
        start = plan.Home;
        // A home that can't be entered ends the login even where local_root could, as in vsftpd.
        string? fault = Enter(plan.Home, out int home);
        if (fault != null)
        {
            return fault;
        }
        fault = plan.Jailed ? LookJailed(plan, home, allowWriteable, out root, out start) : null;
        if (!plan.Jailed)
        {
            byte[] wanted = plan.LocalRoot.Length > 0 ? plan.LocalRoot : plan.Inside.Length > 0 ? [.. plan.Home, (byte)'/', .. plan.Inside] : [];
            if (wanted.Length > 0 && Enter(wanted, out int other) == null)
            {
                Libc.Close(other);
                start = wanted;
            }
        }
        Libc.Close(home);
        return fault;
    }

    private static string? LookJailed(DirectoryPlan plan, int home, bool allowWriteable, out byte[] root, out byte[] start)
    {
        root = plan.LocalRoot.Length > 0 ? plan.LocalRoot : plan.Home;
        start = "/"u8.ToArray();
        int jail = home;
        string? fault = plan.LocalRoot.Length > 0 ? Enter(plan.LocalRoot, out jail) : null;
        if (fault != null)
        {
            return fault;
        }
        if (!allowWriteable && Libc.MayAccess(jail, Libc.W_OK) is not (Errno.EACCES or Errno.EROFS or Errno.EPERM))
        {
            fault = WritableRoot + " (" + Encoding.Latin1.GetString(root) + ")";
        }
        else if (plan.Inside.Length > 0 && Libc.OpenDirectoryInRoot(jail, [.. plan.Inside, 0], out int inside) == Errno.None)
        {
            // vsftpd ignores a start directory that is not there.
            start = Libc.MayAccess(inside, Libc.X_OK) == Errno.None ? [(byte)'/', .. plan.Inside] : start;
            Libc.Close(inside);
        }
        if (jail != home)
        {
            Libc.Close(jail);
        }
        return fault;
    }

    private static string? Enter(byte[] directory, out int fd)
    {
        Errno e = Libc.OpenAt(Libc.AT_FDCWD, [.. directory, 0], Libc.O_PATH | Libc.O_DIRECTORY, 0, out fd);
        if (e == Errno.None)
        {
            e = Libc.MayAccess(fd, Libc.X_OK);
            if (e == Errno.None)
            {
                return null;
            }
            Libc.Close(fd);
        }
        return "can't change to directory " + Encoding.Latin1.GetString(directory) + ": " + ErrnoText.Name(e);
    }
}
