// What mounts leave of the perm fact: on one that is read-only nothing is changed, and nothing is taken away on which something is
// mounted (RFC 3659 7.5.5). Run by the session worker; asked once per listing, and where changes are not allowed anyway not at all.
using System;
using Aotftpd.Native;
using Aotftpd.Protocol;

namespace Aotftpd.Files;

internal sealed partial class DirectoryListing
{
    private const PermInput ChangesOfItself = PermInput.Delete | PermInput.Rename;

    private const PermInput ChangesWithin = PermInput.Write | PermInput.Append | PermInput.Create | PermInput.MakeDirectory | PermInput.Purge;

    // The mount of the directory that holds the entries, 0 if it is not known, and that of the entry at hand.
    private ulong _mount;
    private bool _mountReadOnly;
    private ulong _entryMount;
    private bool _entryIsMountPoint;

    private bool TellsChanges => (_rules.Facts & Fact.Perm) != 0 && (_rules.Allowed & (ChangesOfItself | ChangesWithin)) != 0;

    private void NoteMount(int fd, ulong mount)
    {
        _mount = mount;
        _mountReadOnly = _kind == ListingKind.Machine && TellsChanges && Libc.IsReadOnly(fd);
    }

    private void NoteMount(ReadOnlySpan<byte> path, ulong mount)
    {
        _mount = mount;
        _mountReadOnly = TellsChanges && Storage.IsReadOnly(Libc.AT_FDCWD, path, followLinks: true);
    }

    private void NoteEntry(in Statx s, bool known)
    {
        _entryMount = known ? s.MountId : _mount;
        _entryIsMountPoint = known && s.IsMountPoint;
    }

    // An entry of another mount is a mount point, or the parent of one, or was found through a symbolic link: that mount is asked by itself.
    private PermInput LeftByMounts(int dir, ReadOnlySpan<byte> name, bool followLinks)
    {
        if (!TellsChanges)
        {
            return ~PermInput.None;
        }
        bool within = _entryMount == _mount ? _mountReadOnly : Storage.IsReadOnly(dir, name, followLinks);
        bool itself = _mountReadOnly || _entryIsMountPoint;
        return ~((within ? ChangesWithin : PermInput.None) | (itself ? ChangesOfItself : PermInput.None));
    }
}
